"""Network port of the rp2 boards: Wi-Fi (Pico W), a WIZnet Ethernet chip, or none; only what is used is loaded."""

from ports.sockets import Stack


class Net(Stack):
    """The network seam of DESIGN.md. settings: the board's NET entry; it: the IT half of the configuration."""

    def __init__(self, settings, it, clock):
        super().__init__(_link(settings["kind"], it["network"], it["box"], clock))


def _link(kind, wanted, hostname, clock):
    if kind == "wifi":
        import rp2

        from ports.wifi import Wifi

        if wanted["country"]:
            rp2.country(wanted["country"])  # before the radio starts
        return Wifi(wanted["wifi"], wanted["address"], clock, hostname)
    if kind == "wiznet5k":
        import network

        from ports.wired import Wired

        network.hostname(hostname)
        nic = network.WIZNET5K()
        link = Wired(nic, wanted["address"])
        if wanted["address"] is None:
            nic.ipconfig(dhcp4=True)  # the other kinds ask by themselves
        return link
    return None
