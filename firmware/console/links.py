"""Verbs of the IT side: net, wifi, mqtt. What is there, and what to do where something is wrong."""

from console import brokers, verbs
from console.verbs import Ask, Refused
from uplink.session import UP

_PING_WAITS = 120  # of 0.1 s; the session gives up by itself after 10 s


def net(shell, words):
    """Link, address, name servers."""
    net = shell.gateway.net
    link = getattr(net, "link", None)
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
    link = getattr(gateway.net, "link", None)
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
    answer = yield Ask("polling stops for about 3 s. Go on? y: ")
    if not answer or answer.strip()[:1] not in "yY":
        return
    found = yield link.networks  # in a pause of the bus
    for name, dbm, is_open in found:
        yield "%-32s %4d dBm %s%s" % (name, dbm, quality(dbm), ", open" if is_open else "")
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
    yield from verbs.wrapped(what)
    step = "" if up else brokers.hint(what)
    if step:
        yield from verbs.wrapped("-> " + step)
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
