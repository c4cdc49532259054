"""Network port of the esp32 boards: Wi-Fi, or Ethernet through the chip's own MAC; only what is used is loaded."""

import network

from ports.sockets import Stack


class Net(Stack):
    """The network seam of DESIGN.md. settings: the board's NET entry; it: the IT half of the configuration."""

    def __init__(self, settings, it, clock):
        super().__init__(_link(settings, it["network"], it["box"], clock))


def _link(settings, wanted, hostname, clock):
    if settings["kind"] == "lan" and not wanted["wifi"]:
        from ports.wired import Wired

        network.hostname(hostname)
        return Wired(_lan(settings), wanted["address"])
    from ports.wifi import Wifi

    if wanted["country"]:
        network.country(wanted["country"])
    return Wifi(wanted["wifi"], wanted["address"], clock, hostname)


def _lan(settings):
    from machine import Pin

    pins = ("mdc", "mdio", "power", "reset", "ref_clk")  # without ref_clk the image's own choice
    options = {name: Pin(settings[name]) for name in pins if settings.get(name) is not None}
    mode = {}
    if "ref_clk" in options:
        mode["ref_clk_mode"] = Pin.OUT if settings["ref_clk_mode"] == "out" else Pin.IN
    return network.LAN(phy_type=getattr(network, settings["phy"]), phy_addr=settings["phy_addr"], **options, **mode)
