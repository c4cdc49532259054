"""Network port of the esp32 boards: Wi-Fi, or Ethernet through the chip's own MAC; only what is used is loaded."""

import network

from ports.sockets import Stack


class Net(Stack):
    """The network seam of DESIGN.md. settings: the board's NET entry; it: the IT half of the configuration."""

    def __init__(self, settings, it, clock):
        wanted = it["network"]
        if settings["kind"] == "lan" and not wanted["wifi"]:
            from ports.wired import Wired

            network.hostname(it["box"])
            link = Wired(_lan(settings), wanted["address"])
        else:
            from ports.wifi import Wifi

            if wanted["country"]:
                network.country(wanted["country"])
            link = Wifi(wanted["wifi"], wanted["address"], clock, it["box"])
        super().__init__(link)


def _lan(settings):
    from machine import Pin

    pins = {name: Pin(settings[name]) for name in ("mdc", "mdio", "power", "reset") if settings.get(name) is not None}
    if settings.get("ref_clk") is not None:  # otherwise the image's own choice
        pins["ref_clk"] = Pin(settings["ref_clk"])
        pins["ref_clk_mode"] = Pin.OUT if settings["ref_clk_mode"] == "out" else Pin.IN
    return network.LAN(phy_type=getattr(network, settings["phy"]), phy_addr=settings["phy_addr"], **pins)
