"""Ways through the space of settings and unit ids: what a search asks, in which order.

A Way has `steps` (an iterator of (baud, serial_format, unit_id, is_dual)), `total` (how many there are)
and `patience_ms` (how long a unit may take to its first byte). A dual step asks 8N1, 8N2
and one format with parity at once (modbus.probe) and is sent as 8N2; the other parity is
asked by a plain step. The figures of SEARCH.md follow from these lists.
"""

from modbus import probe

BAUDS = (9600, 19200, 115200, 38400, 57600, 4800, 2400, 1200)  # most usual first
COMMON_BAUDS = (9600, 19200, 115200)
LAST_ID = 247


class Way:
    """See above."""

    def __init__(self, steps, total, patience_ms):
        self.steps = steps
        self.total = total
        self.patience_ms = patience_ms


def common(patience_ms=80):
    """Unit ids 1..16 at 9600, 19200 and 115200 in all four formats: 96 requests."""
    return Way(_common(), 6 * 16, patience_ms)


def known(baud, serial_format, patience_ms=55):
    """Every unit id at one setting: 247 requests."""
    return Way(((baud, serial_format, i, False) for i in range(1, LAST_ID + 1)), LAST_ID, patience_ms)


def whole(patience_ms=100):
    """Every unit id at eight bauds in all four formats: 3952 requests."""
    return Way(_whole(), 2 * len(BAUDS) * LAST_ID, patience_ms)


def units(unit_ids, baud, serial_format, patience_ms=200):
    """Units that should be there: at their own setting, then at `baud` and the other bauds in all four formats.

    Who has been found is taken out of the list unit_ids by the caller, and is not asked again."""
    bauds = [baud] + [each for each in BAUDS if each != baud]
    total = (1 + 2 * len(bauds)) * len(unit_ids)
    return Way(_units(unit_ids, bauds, serial_format), total, patience_ms)


def _units(unit_ids, bauds, serial_format):
    for unit_id in list(unit_ids):
        yield bauds[0], serial_format, unit_id, False
    for baud in bauds:
        for unit_id in list(unit_ids):
            yield baud, "8N2", unit_id, True
        for other in ("8E1", "8O1"):
            for unit_id in list(unit_ids):
                if probe.other_format(unit_id) == other:
                    yield baud, other, unit_id, False


def _common():
    for first, last in ((1, 4), (5, 16)):
        for baud in COMMON_BAUDS:
            yield from _dual(baud, first, last)
    for baud in COMMON_BAUDS:
        yield from _other(baud, 1, 16)


def _whole():
    for baud in BAUDS:
        yield from _dual(baud, 1, LAST_ID)
        yield from _other(baud, 1, LAST_ID)


def _dual(baud, first, last):
    for unit_id in range(first, last + 1):
        yield baud, "8N2", unit_id, True


def _other(baud, first, last):
    for serial_format in ("8E1", "8O1"):  # one after the other: every change opens the port anew
        for unit_id in range(first, last + 1):
            if probe.other_format(unit_id) == serial_format:
                yield baud, serial_format, unit_id, False
