"""TLS and the clock that it needs, put in front of the board's network; loaded only where one of them is configured."""

import random

from gateway.timekeeper import Timekeeper
from modbus.codes import PAUSE_TLS
from uplink.sntp import Sntp

_NTP_PORT = 123


class Pauses:
    """A pause of all buses for each step of a handshake, without waiting for it: `ask` until it says True."""

    def __init__(self, gateway):
        self._gateway = gateway

    def ask(self):
        """True when no reply is awaited on any bus and none will be before `done`."""
        return all([bus.ask(PAUSE_TLS) for bus in self._gateway.buses])

    def done(self):
        """End of the step, or nothing comes of it."""
        for bus in self._gateway.buses:
            bus.done(PAUSE_TLS)


def front(gateway, net, it):
    """(network seam with TLS for the brokers that are configured so, Timekeeper).

    Where no time server is named, the brokers that have TLS are asked for the time."""
    secured = {}
    for broker in it["mqtt"]["brokers"]:
        if broker["tls"]:
            secured[broker["host"], broker["port"]] = broker["tls"]
    servers = [(server["host"], server["port"]) for server in it["time_servers"]]
    if not servers:
        servers = [(host, _NTP_PORT) for host, _ in secured]
    clock = gateway.clock
    source = Sntp(net, clock, random.getrandbits, servers)
    timekeeper = Timekeeper(clock, source, lambda text: print("clock: " + text))
    if secured:
        import tls

        from uplink import tls_link

        gateway.tls = net = tls_link.TlsNet(
            net, clock, secured, timekeeper.utc_ms, Pauses(gateway), tls, tls_link.room
        )
    return net, timekeeper
