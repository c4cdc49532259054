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
    """Each part in turn; one line each."""
    gateway = shell.gateway
    bad = 0
    for part in (_led, _flash, _network, _broker, _clock):
        answer = yield from part(gateway)
        bad += answer[:2] == "!!"
        yield answer
    for number, bus in enumerate(gateway.buses):
        if hasattr(bus, "learned"):
            continue
        outcome, heard = yield from reading.ask(gateway, number, probe.plain(_NOBODY), 50)
        echo = heard[:8] == bytes(probe.plain(_NOBODY))
        yield "   %s: %s" % (
            bus.line.name,
            "own request heard: driver and receiver work (loopback)"
            if echo
            else "own requests are not heard: no loopback wired, as usual",
        )
    if bad:
        raise Refused(verbs.CHECK, "%d of these failed: see !! above" % bad)


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
