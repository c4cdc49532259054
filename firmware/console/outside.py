"""Set-up of the IT side: place in the plant, network, broker, time. What is given is tried at once; writes it.json."""

import json
import random

from console import links, verbs
from console.verbs import Ask
from gateway import revisions, rules

_PARTS = ("enterprise", "site", "area", "line", "cell", "asset")
_JOIN_WAITS = 250  # of 0.1 s: DHCP may take long
_CA = "ca.der"
_MAX_NETWORKS = 9  # that are shown
_TIME_WAITS = 50


def it_side(shell, path):
    """Yields lines and questions; the file `path` is the IT half then."""
    gateway = shell.gateway
    it = {"format": 1, "owner": "it", "revision": 1, "box": "fg-" + gateway.chip[-8:].lower()}
    it["place"] = yield from _place()
    it["network"] = {"wifi": [], "country": None, "address": None}
    net = yield from _network(gateway, it)
    yield from _broker(gateway, net, it)
    yield from _time(gateway, net, it)
    with open(path, "w") as file:
        json.dump(it, file)
    revisions.note_change("it half: set up at the console")
    yield "box %s at %s" % (it["box"], "/".join([it["place"][part] for part in _PARTS]))


def _place():
    while True:
        yield "4 place in the plant: enterprise/site/area/line/cell/asset"
        answer = yield Ask("place: ")
        names = [name.strip() for name in (answer or "").split("/")]
        mistakes = []
        if len(names) != len(_PARTS):
            mistakes.append("that has %d parts, needed are 6: acme/lyon/press-shop/line-1/cell-3/press-7" % len(names))
        for part, name in zip(_PARTS, names):
            rules.check(name, ("topic", 32), part, mistakes)
        if not mistakes:
            return dict(zip(_PARTS, names))
        yield from verbs.wrapped(mistakes[0])


def _network(gateway, it):
    """The network seam, up if anyhow possible."""
    net = gateway.make_net(it)
    link = net.link
    while True:
        if hasattr(link, "networks"):
            yield from _wifi(gateway, link, it)
            net = gateway.make_net(it)  # joins what was chosen
            link = net.link
        waits = 0
        while not net.up() and waits < _JOIN_WAITS:
            yield None
            waits += 1
        text = link.text() if link else "the host's"
        if net.up():
            yield "5 network: " + text
            return net
        yield "!  network: %s: not up" % text
        answer = yield Ask("Enter: try again, k: keep it so: ")
        if answer is None or answer.strip()[:1] == "k":
            return net


def _wifi(gateway, link, it):
    yield "5 network: looking for Wi-Fi, 3 s"
    found = link.networks()[:_MAX_NETWORKS]
    for number, (name, dbm, is_open) in enumerate(found):
        how = "good" if dbm > -65 else "fair" if dbm > -75 else "weak"
        yield "  %d  %-32s %4d dBm %s%s" % (number + 1, name, dbm, how, ", open" if is_open else "")
    answer = yield Ask("its number or name, a blank, its key (stars are shown): ", True)
    name, _, key = (answer or "").strip().partition(" ")
    if name.isdigit() and 0 < int(name) <= len(found):
        name = found[int(name) - 1][0]
    it["network"]["wifi"] = [{"ssid": name, "key": key.strip() or None}] if name else []


def _broker(gateway, net, it):
    while True:
        yield "6 broker: name or address, port (1883), tls if it wants that"
        answer = yield Ask("broker: ")
        words = (answer or "").split()
        if words == ["keep"] and "mqtt" in it:
            return
        mistake = _take_broker(words, it)
        if mistake:
            yield from verbs.wrapped(mistake)
            continue
        if words[-1] == "tls":
            yield from _time(gateway, net, it)  # certificates have dates
        while True:
            wrong = yield from links.attempt(gateway, net, it)
            if "refused the login" not in wrong:
                break
            yield "!  " + wrong
            user = yield Ask("user (Enter: another broker): ")
            if not user:
                break
            it["mqtt"]["user"] = user.strip()
            it["mqtt"]["password"] = (yield Ask("its password: ", True)) or None
        broker = it["mqtt"]["brokers"][0]
        if not wrong:
            yield "broker %s:%d: connected" % (broker["host"], broker["port"])
            return
        yield from verbs.wrapped("!  broker %s:%d: %s" % (broker["host"], broker["port"], wrong))
        step = links.hint(wrong)
        if step:
            yield "   " + step
        yield "   type it again, or keep to go on with it"


def _take_broker(words, it):
    """Put it into `it`; returns what is wrong with the words, else None."""
    tls = words[-1:] == ["tls"]
    if tls:
        words = words[:-1]
    if len(words) == 1 and ":" in words[0]:
        words = words[0].split(":")
    if not 1 <= len(words) <= 2 or not rules.is_host(words[0]):
        return "no name or address; for example: 10.0.0.5, or broker.plant 8883 tls"
    port = words[1] if len(words) == 2 else "8883" if tls else "1883"
    if not port.isdigit() or not 1 <= int(port) <= 65535:
        return "port: found %s, allowed 1..65535" % port
    broker = {"host": words[0], "port": int(port)}
    if tls:
        broker["tls"] = {"ca": _CA}
    it["mqtt"] = {"brokers": [broker], "user": None, "password": None}
    return None


def _time(gateway, net, it):
    """Ask who may know the time: the broker, the name servers. Nobody is asked where the clock is set already."""
    if gateway.clock.utc_ms() is None and net.up():
        from uplink.sntp import Sntp

        hosts = [it["mqtt"]["brokers"][0]["host"]] + [server[0] for server in net.dns_servers()]
        for host in hosts[:3]:
            if not host.replace(".", "").isdigit():
                continue
            source = Sntp(net, gateway.clock, random.getrandbits, [(host, 123)])
            for _ in range(_TIME_WAITS):
                if source.step():
                    it["time_servers"] = [{"host": host, "port": 123}]
                    gateway.clock.set_utc_ms(source.utc_ms)
                    yield "time: from %s" % host
                    return
                if source.problem:
                    break
                yield None
    if gateway.clock.utc_ms() is None:
        yield "!  time: nobody near tells it; samples wait: set time_servers.0.host, or time"
