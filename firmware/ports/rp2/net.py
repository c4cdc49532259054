"""Network port of the rp2 boards: Wi-Fi (Pico W), a WIZnet Ethernet chip, or none; only what is used is loaded."""

from ports.sockets import Stack


class Net(Stack):
    """The network seam of DESIGN.md. settings: the board's NET entry; it: the IT half of the configuration."""

    def __init__(self, settings, it, clock):
        kind = settings["kind"]
        wanted = it["network"]
        link = None
        if kind == "wifi":
            import rp2

            from ports.wifi import Wifi

            if wanted["country"]:
                rp2.country(wanted["country"])  # before the radio starts
            link = Wifi(wanted["wifi"], wanted["address"], clock, it["box"])
        elif kind == "wiznet5k":
            import network

            from ports.wired import Wired

            network.hostname(it["box"])
            nic = network.WIZNET5K()
            link = Wired(nic, wanted["address"])
            if wanted["address"] is None:
                nic.ipconfig(dhcp4=True)  # the other kinds ask by themselves
        super().__init__(link)
