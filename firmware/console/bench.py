"""The verb test: tries the parts of the box itself."""

import os

from console import links, reading, verbs
from console.verbs import Refused
from modbus import probe
from uplink.session import UP

_FILE = "config.test"
_BYTES = 256
_NOBODY = 247  # the unit id that hardly anybody has


def test(shell, words):
    """test [loopback]"""
    if words and words != ["loopback"]:
        raise Refused(verbs.VALUE, "test takes loopback or nothing")
    gateway = shell.gateway
    bad = 0
    for part in () if words else (_led, _flash, _network, _broker, _clock):
        answer = yield from part(gateway)
        bad += answer[:2] == "!!"
        yield answer
    for number in range(len(gateway.buses)):
        answer = yield from _loopback(gateway, number, bool(words))
        bad += answer[:2] == "!!"
        yield answer
    if bad:
        raise Refused(verbs.CHECK, "%d of these failed: see !! above" % bad)


def _loopback(gateway, number, wanted):
    """wanted: it is said to be wired."""
    bus = gateway.buses[number]
    name = bus.line.name
    if hasattr(bus, "learned"):
        return "   %s: only listens, so it has no loopback" % name
    request = bytes(probe.plain(_NOBODY))
    outcome, heard = yield from reading.ask(gateway, number, request, 50)
    if heard[: len(request)] == request:
        return "   %s: loopback: own request comes back whole" % name
    if heard and outcome == reading.RUBBISH:
        return "!! %s: loopback: own request comes back damaged: type bus frames" % name
    if wanted:
        return "!! %s: loopback: nothing comes back: jumper, driver or direction pin" % name
    return "   %s: no loopback wired, as usual" % name


def _led(gateway):
    if not gateway.led:
        return "   LED: this board has none"
    for on in (1, 0) * 4:
        gateway.led.set(on)
        yield 100
    return "   LED: has blinked 4 times quickly"


def _flash(gateway):
    """In the file system; what the log says of its own sectors."""
    written = bytes([i & 255 for i in range(_BYTES)])

    def try_it():
        with open(_FILE, "wb") as file:
            file.write(written)
        with open(_FILE, "rb") as file:
            same = file.read(_BYTES + 1) == written
        os.remove(_FILE)
        return same

    same = yield try_it
    if not same:
        return "!! flash: what was written reads back differently: replace the box"
    stats = gateway.log.stats
    if stats.retired:
        return "!! flash: works, but the log has retired %d sectors: type log" % stats.retired
    return "   flash: written and read back, no retired sectors"


def _network(gateway):
    yield 0
    return "   network: up" if gateway.net.up() else "!! network: down: type net"


def _broker(gateway):
    if gateway.session.state != UP:
        return "!! broker: %s: type mqtt" % (gateway.session.last_error or "no connection yet")
    try:
        ms = yield from links.round_trip(gateway)
    except Refused as error:
        return "!! broker: " + error.text
    return "   broker: answers within %d ms" % ms


def _clock(gateway):
    yield 0
    return "   clock: set" if gateway.clock.utc_ms() is not None else "!! clock: not set: type time"
