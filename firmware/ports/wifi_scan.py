"""Which Wi-Fi is in reach: loaded when somebody asks.

Source: MicroPython's network.WLAN.scan: tuples (ssid, bssid, channel, RSSI, security, hidden), security 0 is open; it
waits for the end of the search, 2 to 4 s.
"""


def scan(nic):
    """[(name, dBm, is open)], strongest first, each name once. Hidden ones are left out."""
    best: dict[str, tuple[int, bool]] = {}
    for ssid, _, _, dbm, security, _ in nic.scan():
        try:
            name = str(ssid, "utf-8")
        except UnicodeError:
            continue
        if name and all([31 < ord(c) < 127 for c in name]) and (name not in best or dbm > best[name][0]):
            best[name] = (dbm, not security)
    found = [(-best[name][0], name, best[name][1]) for name in best]
    return [(name, -dbm, is_open) for dbm, name, is_open in sorted(found)]
