"""Words for codes, for people; loaded where somebody looks."""

from modbus.codes import EXCEPTION

# Modbus Application Protocol V1.1b3, section 7.
EXCEPTION_NAMES = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge",
    6: "server device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}

# By code; the last four are of single values.
QUALITIES = (
    "good", "timeout", "crc", "wrong_reply", "bus_fault", "not_asked", "out_of_range", "not_available", "substituted",
    "stale",
)  # fmt: skip


def quality_name(quality):
    """Text for a quality code, for people: `good`, `timeout`, `exception 2 (illegal data address)`."""
    if quality >= EXCEPTION:
        code = quality - EXCEPTION
        return "exception %d (%s)" % (code, EXCEPTION_NAMES.get(code, "unknown"))
    return QUALITIES[quality]
