"""Verbs of the IT side: net, wifi, mqtt. What is there, and what to do where something is wrong.

The set-up tries a broker with `attempt` and says what to do with `hint`.
"""

import random

from console import verbs
from console.verbs import Refused
from modbus.codes import PAUSE_HOLD
from uplink.session import UP

_TRY_WAITS = 300  # of 0.1 s: name, TCP, TLS and login have time-outs of their own below that
# What a session says, and the next step.
_STEPS = (
    ("refused the login", "user or password is wrong, or this client may not: ask IT"),
    ("do not know", "the name is wrong, or lives in another network"),
    ("name server", "no name server answers: type its address instead of the name"),
    ("is not a name", "type a name or an address like 10.0.0.5"),
    ("not a numeric", "type a name or an address like 10.0.0.5"),
    ("connection refused", "the machine is there, but no broker listens at this port"),
    ("no connection within", "nothing answers: address, route, firewall or port are wrong"),
    ("unreachable", "no route there: address, netmask or gateway are wrong"),
    ("needs tls", "type the port with tls behind it"),
    ("TLS port?", "the broker may want TLS: type the port with tls behind it"),
    ("clock is not set", "TLS needs the time: type time 2026-11-23 23:30:05"),
    ("certificate", "the CA file does not fit to this broker, or its name or dates do not"),
    ("no such file", "bring the certificate with mpremote cp"),
    ("network is down", "no cable, no Wi-Fi or no address: type net"),
)
_SCAN_MS = 5000
_MOST_NETWORKS = 4  # that fit a screen
_PING_WAITS = 120  # of 0.1 s; the session gives up by itself after 10 s


def net(shell, words):
    """Link, address, name servers."""
    net = shell.gateway.net
    link = net.link
    yield "network: %s, %s" % ("up" if net.up() else "down", link.text() if link else "the host's")
    if hasattr(link, "address"):
        yield "address %s, netmask %s, gateway %s" % tuple(link.address()[:3])
    try:
        servers = [server[0] for server in net.dns_servers()]
    except AttributeError:  # a board without network
        servers = []
    yield "name servers: %s" % (" ".join(servers) or "none")
    if not net.up():
        yield "-> %s" % (
            "wifi scan shows what is in reach; set network.wifi.0.ssid and .key"
            if hasattr(link, "networks")
            else "is the cable in? does a DHCP server answer? else set network.address.ip and others"
        )


def wifi(shell, words):
    """wifi [scan]"""
    gateway = shell.gateway
    link = gateway.net.link
    if not hasattr(link, "networks"):
        raise Refused(verbs.MISSING, "this box uses no Wi-Fi: type net")
    if words and words != ["scan"]:
        raise Refused(verbs.VALUE, "wifi takes scan or nothing")
    yield link.text()
    dbm = link.signal_dbm()
    if dbm is not None:
        yield "signal %d dBm, %s" % (dbm, quality(dbm))
    if not words:
        return
    shell.need("it")
    from console import stopping

    if not (yield from stopping.agreed(gateway.buses, "polling stops for about 3 s", _SCAN_MS)):
        return
    try:
        for bus in gateway.buses:
            bus.ask(PAUSE_HOLD)
        while not all([bus.granted(PAUSE_HOLD) for bus in gateway.buses]):
            yield 1
        found = link.networks()  # nothing else runs meanwhile
    finally:
        for bus in gateway.buses:
            bus.done(PAUSE_HOLD)
    for name, dbm, is_open in found[:_MOST_NETWORKS]:
        yield "%-32s %4d dBm %s%s" % (name, dbm, quality(dbm), ", open" if is_open else "")
    if len(found) > _MOST_NETWORKS:
        yield "%d more are weaker" % (len(found) - _MOST_NETWORKS)
    if not found:
        yield "no access point in reach: antenna? metal cabinet? 2.4 GHz switched off?"


def quality(dbm):
    """A word for a signal."""
    return "good" if dbm > -65 else "fair" if dbm > -75 else "weak"


def mqtt(shell, words):
    """mqtt [test]"""
    gateway, session = shell.gateway, shell.gateway.session
    if words and words != ["test"]:
        raise Refused(verbs.VALUE, "mqtt takes test or nothing")
    up = session.state == UP
    what = session.name() + "connected" if up else session.last_error or "no connection yet"
    yield what
    step = "" if up else hint(what)
    if step:
        yield "-> " + step
    yield "topics below %s" % gateway.base
    yield "%d messages acknowledged, %d wait; %d connects, %d failures" % (
        session.acked,
        session.unacked,
        session.connects,
        session.failures,
    )
    if words:
        if not up:
            raise Refused(verbs.BUSY, "no broker to test: see above")
        yield "the broker answers within %d ms" % (yield from round_trip(gateway))


def round_trip(gateway):
    """Yields None; returns the ms until the broker has answered a ping. Raises Refused."""
    session, clock = gateway.session, gateway.clock
    for _ in range(_PING_WAITS):
        if not session.pinging:
            break
        yield None
    began = clock.ticks_ms()
    session.ping()
    for _ in range(10 * _PING_WAITS):
        if not session.pinging or session.state != UP:
            break
        yield 10
    if session.state != UP or session.pinging:
        raise Refused(verbs.BUSY, "the broker did not answer: %s" % (session.last_error or "type mqtt"))
    return clock.ticks_diff(clock.ticks_ms(), began)


# For the set-up, too


def hint(text):
    """The next step for what a session says, "" for none known."""
    for words, step in _STEPS:
        if words in text:
            return step
    return ""


def attempt(gateway, net, it):
    """Yields None; returns "" once a broker has taken us in, else why it has not. net: the port's. it: the IT half."""
    from uplink.session import Session

    broker = it["mqtt"]["brokers"][0]
    host, port, tls = broker["host"], broker["port"], broker.get("tls")
    clock = gateway.clock
    if host != "localhost" and not host.replace(".", "").isdigit():
        from uplink.resolver import Names

        net = Names(net, clock, random.getrandbits)
    if tls:
        import tls as library

        from uplink.tls_link import TlsNet

        tls = {"ca": tls["ca"], "cert": tls.get("cert"), "key": tls.get("key"), "server_name": tls.get("server_name")}
        net = TlsNet(net, clock, {(host, port): tls}, clock.utc_ms, _AtOnce(), library)
    settings = {"client_id": it["box"], "brokers": [(host, port)], "tls_brokers": [0] if tls else []}
    settings["buffer_bytes"] = settings["topic_bytes"] = 256
    settings["user"], settings["password"] = it["mqtt"].get("user"), it["mqtt"].get("password")
    said = []
    session = Session(net, clock, random.getrandbits, settings)
    session.on_state = lambda up, text: said.append("" if up else text)
    try:
        for _ in range(_TRY_WAITS):
            for _ in range(50):
                session.service()
            if said or session.state == UP:
                break
            yield None
    finally:
        session.on_state = None
        session.close()
    return said[0].split(": ", 1)[-1] if said else "no answer"


class _AtOnce:
    """There is no bus that could notice a handshake."""

    @staticmethod
    def ask():
        return True

    @staticmethod
    def done():
        pass
