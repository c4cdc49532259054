"""Wi-Fi of the rp2 and esp32 boards: joins one of several networks and joins again by itself, without blocking.

Promises: `up()` is the only one to call, often; it never waits and allocates nothing while the link stands. An attempt
gets 15 s; after every network failed once the pauses grow to 60 s. The network that was lost is tried first.

Source: MicroPython's extmod/network_cyw43.c (status below 0: failed) and ports/esp32/network_wlan.c (200..999:
failed). Both start an attempt and return; the esp32 would go on for ever with one network, so that is turned off.
"""

import network

from ports.sockets import set_address

_TRY_MS = 15000
_LOOK_MS = 250
_PAUSES_MS = (1000, 2000, 5000, 10000, 30000, 60000)
_REASONS = {-3: "wrong key", -2: "not found", -1: "failed", 201: "not found", 202: "wrong key", 203: "refused"}


class Wifi:
    """networks: list of {"ssid", "key"} (key None: open), best first; address: see ports.sockets.set_address."""

    def __init__(self, networks, address, clock, hostname):
        network.hostname(hostname)
        self._networks = networks
        self._clock = clock
        self._nic = nic = network.WLAN(network.WLAN.IF_STA)
        nic.active(True)
        nic.config(pm=network.WLAN.PM_PERFORMANCE)  # a sleeping radio answers up to 0.3 s late
        try:
            nic.config(reconnects=0)  # esp32 only
        except ValueError:
            pass
        set_address(nic, address)
        self.connects = 0  # times that an address was got
        self.attempts = 0
        self._was_up = False
        self._at = -1  # the network tried last
        self._round = 0  # rounds through the list without success
        self._trying = False
        self._began = self._due = clock.ticks_ms()

    def up(self):
        """True when an address is held; otherwise goes on with joining."""
        if self._nic.isconnected():
            if not self._was_up:
                self._was_up = True
                self._trying = False
                self._round = 0
                self.connects += 1
            return True
        now = self._clock.ticks_ms()
        if self._was_up:
            self._was_up = False
            self._at -= 1  # the same again
            self._due = now
        if self._networks and self._clock.ticks_diff(now, self._due) >= 0:
            self._go_on(now)
        return False

    def _go_on(self, now):
        clock = self._clock
        if self._trying and not self._failed() and clock.ticks_diff(now, self._began) < _TRY_MS:
            self._due = clock.ticks_add(now, _LOOK_MS)
            return
        if self._trying and self._at == len(self._networks) - 1:
            self._trying = False
            self._due = clock.ticks_add(now, _PAUSES_MS[min(self._round, len(_PAUSES_MS) - 1)])
            self._round += 1
            return
        self._at = (self._at + 1) % len(self._networks)
        self._trying = True
        self._began = now
        self._due = clock.ticks_add(now, _LOOK_MS)
        self.attempts += 1
        wanted = self._networks[self._at]
        try:
            self._nic.disconnect()
        except OSError:
            pass  # there was nothing to end
        try:
            self._nic.connect(wanted["ssid"], wanted["key"])
        except OSError:
            self._began = clock.ticks_add(now, -_TRY_MS)  # this attempt is over

    def _failed(self):
        status = self._nic.status()
        return status < 0 or 200 <= status < 1000

    def networks(self):
        """Access points in reach, strongest first: [(name, dBm, is open)]. Holds everything for about 3 s."""
        from ports.wifi_scan import scan

        return scan(self._nic)

    def address(self):
        """(address, netmask, gateway, name server)."""
        return self._nic.ifconfig()

    def signal_dbm(self):
        """Strength of the access point's signal, or None."""
        if not self._nic.isconnected():
            return None
        try:
            return self._nic.status("rssi")
        except (OSError, ValueError):
            return None

    def text(self):
        """A few words for a person."""
        if not self._networks:
            return "no Wi-Fi in it.json (network.wifi)"
        name = self._networks[max(self._at, 0)]["ssid"]
        if self._nic.isconnected():
            return "Wi-Fi %s, %s dBm" % (name, self.signal_dbm())
        return "Wi-Fi %s: %s" % (name, _REASONS.get(self._nic.status(), "joining"))
