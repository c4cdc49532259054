"""The verb bus: what a line's counters, units and frames say, in words that lead to the next step."""

from console import verbs
from console.verbs import Refused
from modbus.evidence import CRC_ERRORS, EXCEPTIONS, REPLIES, REQUESTS, TIMEOUTS, WRONG_REPLIES
from modbus.names import quality_name

_MANY = 50  # one of so many is worth a hint
_ENOUGH = 10  # fewer requests prove nothing
_FRAMES = 2
_MOST_FRAMES = 20
_FRAME_WAITS = 600  # of 0.1 s
_SHOWN_BYTES = 16
_KINDS = ("", "coils", "contacts", "holding registers", "input registers")


def bus(shell, words):
    """bus [name] [frames [count] [bad]]"""
    number, rest = verbs.bus_of(shell.gateway, words)
    if rest[:1] == ["frames"]:
        shell.flows = True
        yield from _frames(shell.gateway.buses[number], rest[1:])
        return
    if rest:
        names = " ".join([bus.line.name for bus in shell.gateway.buses])
        raise Refused(verbs.VALUE, "no bus %s: there is %s; or: bus frames" % (rest[0][:20], names))
    for bus in shell.gateway.buses[number : number + 1] if words else shell.gateway.buses:
        line = bus.line
        yield "%s: %d baud %s, efficiency %d.%d %%" % (
            (line.name, line.baud, line.serial_format) + divmod(bus.evidence.efficiency_permille(), 10)
        )
        for hint in hints(bus, shell.gateway.clock):
            yield "-> " + hint
        yield "unit            id state  requests timeouts   crc refused  ms mean"
        for silent in (True, False):  # worst first
            for unit, tally, health in zip(bus.plan.units, bus.evidence.tallies, bus.scheduler.health):
                if health.quarantined == silent:
                    yield _row(unit, tally.counts, silent, tally.mean_us() // 1000)


def _row(unit, counts, silent, mean_ms):
    return "%-14s %3d %-6s %8d %8d %5d %7d %8d" % (
        unit.name[:14],
        unit.unit_id,
        "silent" if silent else "ok" if counts[REQUESTS] else "-",
        counts[REQUESTS],
        counts[TIMEOUTS],
        counts[CRC_ERRORS],
        counts[EXCEPTIONS],
        mean_ms,
    )


def hints(bus, clock):
    """What the counters say, in words; nothing when all is well."""
    health = bus.scheduler.health
    silent = [each for each in health if each.quarantined]
    totals = bus.evidence.totals()
    if len(silent) == len(health):
        yield from _all_silent(bus, totals)
        return
    if len(silent) == 1:
        each = silent[0]
        text = "%s: no answer since %s, %d tries; others fine: check its power, address %d, baud and parity: scan units"
        yield text % (each.unit.name, _since(each, clock), each.fails, each.unit.unit_id)
    elif silent:
        text = "%s: no answer; others fine: check their power, cable, address, baud and parity: scan units"
        yield text % _named([each.unit for each in silent])
    noisy, odd, slow, refusing = [], [], [], []
    for unit, tally, each in zip(bus.plan.units, bus.evidence.tallies, health):
        counts = tally.counts
        asked = counts[REQUESTS]
        if asked < _ENOUGH or each.quarantined:
            continue
        if counts[CRC_ERRORS] * _MANY > asked:
            noisy.append(unit)
        if counts[WRONG_REPLIES] * _MANY > asked:
            odd.append(unit)
        if counts[EXCEPTIONS] * _MANY > asked:
            refusing.append(unit)
        if counts[TIMEOUTS] * _MANY > asked:
            slow.append(unit)
            slowest_ms = tally.max_us // 1000
    if refusing:
        codes = [str(code) for code, count in enumerate(bus.evidence.exceptions) if count]
        yield "%s refuse%s reads (exception %s): its register map says other addresses: try read" % (
            _named(refusing),
            "s"[: len(refusing) == 1],
            " ".join(codes),
        )
    if slow:
        yield "%s answer%s only sometimes%s: raise first_byte_timeout_ms, check its wiring" % (
            _named(slow),
            "s"[: len(slow) == 1],
            " (slowest %d ms)" % slowest_ms if len(slow) == 1 else "",
        )
    if noisy and len(noisy) + len(silent) == len(health) > 1:
        yield "damaged replies from all units: termination (120 ohm at both ends), shield, bias, cable length"
    elif noisy:
        yield "damaged replies from %s only: its stub, its ground, its own baud rate" % _named(noisy)
    if odd:
        yield "sound replies that nobody asked %s for: two units with one address, or a second client" % _named(odd)
    if bus.engine.stray_bytes * _MANY > totals[REQUESTS]:
        yield "%d stray bytes: noise, a missing bias, or a second client on the line" % bus.engine.stray_bytes


def _all_silent(bus, totals):
    """Nobody answers: whether bytes come back at all tells one cause from the other."""
    line = bus.line
    if totals[REPLIES] > totals[REQUESTS] // 2:
        yield "all units went silent together: the cable, the converter, or the machine's power"
    elif totals[CRC_ERRORS] * 4 > totals[REQUESTS] or bus.engine.stray_bytes > 2 * totals[REQUESTS]:
        yield "bytes come back, but none is whole: A and B are swapped, or %d %s is not their setting: scan units" % (
            line.baud,
            line.serial_format,
        )
    else:
        yield "%s not a byte comes back: cable in? power? A and B swapped? for baud, parity, address: scan units" % (
            "the only unit does not answer," if len(bus.scheduler.health) == 1 else "no unit answers,",
        )


def _named(units):
    """A hint is to be short."""
    return verbs.few([unit.name for unit in units])


def _since(health, clock):
    ago_ms = max(0, clock.ticks_diff(clock.ticks_ms(), health.since_ms))
    utc_ms = clock.utc_ms()
    if utc_ms is None:
        return "%d s ago" % (ago_ms // 1000)
    seconds = (utc_ms - ago_ms) // 1000 % 86400
    return "%02d:%02d:%02d" % (seconds // 3600, seconds // 60 % 60, seconds % 60)


def _frames(bus, words):
    """The next transactions as they were on the wire; with `bad` only those that failed."""
    only_bad = words[-1:] == ["bad"]
    words = words[:-1] if only_bad else words
    if len(words) > 1 or (words and not (words[0].isdigit() and 1 <= int(words[0]) <= _MOST_FRAMES)):
        raise Refused(verbs.VALUE, "frames takes a count 1..%d, and bad: bus line1 frames 5 bad" % _MOST_FRAMES)
    if hasattr(bus, "learned"):
        raise Refused(verbs.MISSING, "%s only listens: type scan" % bus.line.name)
    count = int(words[0]) if words else _FRAMES
    kept = []
    engine = bus.engine

    def record(read, quality, took_us):
        if len(kept) < count and (quality or not only_bad):
            kept.append((read, quality, took_us, bytes(engine.buf[: engine.heard])))

    bus.follow(record)  # as long as somebody looks
    try:
        for _ in range(_FRAME_WAITS):
            while kept:
                yield from _shown(*kept.pop(0))
                count -= 1
            if count <= 0:
                return
            yield None
    finally:
        bus.follow(None)
    yield "no more within a minute"


def _shown(read, quality, took_us, heard):
    frame = read.frame
    yield "%s (%d): %d %s from %d: %s, %d ms" % (
        read.unit.name,
        read.unit.unit_id,
        frame[4] << 8 | frame[5],
        _KINDS[frame[1]],
        frame[2] << 8 | frame[3],
        quality_name(quality),
        took_us // 1000,
    )
    yield "  > " + _hex(frame)
    yield "  < " + (_hex(heard) if heard else "nothing")


def _hex(data):
    text = " ".join(["%02x" % byte for byte in data[:_SHOWN_BYTES]])
    return text if len(data) <= _SHOWN_BYTES else "%s ... %d bytes" % (text, len(data))
