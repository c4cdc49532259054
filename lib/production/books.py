"""The books of a machine as registers and back: the virtual groups in which they are published are their checkpoints.

Groups: "machine" with the state and what stands open, then "machine_hour", "machine_shift", "machine_day" with the
window that runs or has just ended. A checkpoint is the windows that run and then the state, all with the same `to`
(accounted up to here): what a restart finds whole in the log is where it goes on.
"""

import struct

from production import oee
from production.calendar import EPOCH_S

STATE_GROUP = 3  # after the kinds of windows
_STATE = ">HHIIHHIHIHHIIIII"
STATE_BYTES = struct.calcsize(_STATE)
_FLAGS_AT = 14
_PLACES = (oee.CYCLES, oee.GOOD, oee.REJECT)


def _split(ms):
    return (0, 0) if ms is None else (ms // 1000 + EPOCH_S, ms % 1000)


def _join(s, ms):
    return None if not s else (s - EPOCH_S) * 1000 + ms


def pack_state(machine, lag_ms, checkpoint):
    """The registers of the group "machine". lag_ms: how long before the sample's time `to` was."""
    account = machine.account
    flags = account.stop | account.blind << 2 | account.counted << 3 | account.gap << 4
    if account.before is not None:
        flags |= (account.before + 1) << 5
    for kind, window in enumerate(account.windows):
        flags |= (checkpoint and window is not None) << (8 + kind)
    flags |= checkpoint << 11
    known = 0
    last = []
    for i, place in enumerate(_PLACES):
        counter = machine.counters.get(place)
        known |= (counter is not None and counter.last is not None) << i
        last.append(counter.last if known >> i & 1 else 0)
    since = machine.since
    since_s = 0 if since is None or machine.zero is None else (since + machine.zero) // 1000 + EPOCH_S
    return struct.pack(
        _STATE,
        machine.state,
        machine.cause,
        since_s,
        *_split(account.at),
        flags,
        *_split(account.stop_at if account.stop else None),
        *_split(account.detect_at if account.stop else None),
        known,
        *last,
        min(machine.unplaced_ms // 1000, 0xFFFFFFFF),
        lag_ms,
    )


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
            self._windows[kind] = oee.unpack(kind, data)

    def state(self, data, machine, uptime_ms):
        """One sample of the group "machine", taken at that uptime: goes on from there and returns True if it can."""
        if not is_checkpoint(data):
            return False
        row = struct.unpack(_STATE, data)
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
        machine.resume(begin, {place: row[11 + i] for i, place in enumerate(_PLACES) if row[10] >> i & 1})
        return True
