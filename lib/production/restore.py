"""Checkpoints as they come out of the log. Loaded at the start only."""

import struct

from production import oee
from production.books import PLACES, STATE, STATE_BYTES
from production.calendar import EPOCH_S

_FLAGS_AT = 14


def unpack(kind, data):
    """(Window, at_ms, complete) from the registers of its group."""
    start, end, at_s, at_ms, flags = struct.unpack_from(oee.HEAD, data, 0)
    window = oee.Window(kind, (start - EPOCH_S, end - EPOCH_S), (flags >> 8) - 1)
    window.sums = list(struct.unpack_from(oee.WINDOW, data, 16))
    window.told = True
    return window, (at_s - EPOCH_S) * 1000 + at_ms, flags & oee.COMPLETE


def _join(s, ms):
    return None if not s else (s - EPOCH_S) * 1000 + ms


def is_checkpoint(data):
    """True for a sample of the group "machine" that ends a checkpoint."""
    return data is not None and len(data) == STATE_BYTES and data[_FLAGS_AT] & 8 != 0


class Restorer:
    """Takes the groups' samples as they come out of the log; `state` tells whether a checkpoint is whole."""

    def __init__(self):
        self._windows = [None, None, None]

    def window(self, kind, data):
        """One sample of a window's group."""
        if len(data) == oee.WINDOW_BYTES:
            self._windows[kind] = unpack(kind, data)

    def state(self, data, machine, uptime_ms):
        """One sample of the group "machine", taken at that uptime: goes on from there and returns True if it can."""
        if not is_checkpoint(data):
            return False
        row = struct.unpack(STATE, data)
        at = _join(row[3], row[4])
        flags = row[5]
        windows = [None, None, None]
        for kind in (oee.HOUR, oee.SHIFT, oee.DAY):
            if flags >> (8 + kind) & 1:
                kept = self._windows[kind]
                if not kept or kept[1] != at:
                    return False
                windows[kind] = kept[0]
        if at is None:
            return False
        account = machine.account
        account.at = at
        account.windows = windows
        account.closed = []
        account.stop = flags & 3
        account.blind, account.counted, account.gap = bool(flags & 4), bool(flags & 8), bool(flags & 16)
        account.before = (flags >> 5 & 7) - 1 if flags >> 5 & 7 else None
        account.stop_at, account.detect_at = _join(row[6], row[7]), _join(row[8], row[9])
        account.calendar.look((at - 1) // 1000)
        account.busy = account.calendar.busy
        account.fresh = False
        machine.unplaced_ms = row[14] * 1000
        begin = uptime_ms - row[15]
        machine.zero = at - begin
        machine.resume(begin, {place: row[11 + i] for i, place in enumerate(PLACES) if row[10] >> i & 1})
        return True
