"""The books of a machine as registers: the virtual groups in which they are published are their checkpoints.

Groups: "machine" with the state and what stands open, then "machine_hour", "machine_shift", "machine_day" with the
window that runs or has just ended. A checkpoint is the windows that run and then the state, all with the same `to`
(accounted up to here): what a restart finds whole in the log is where it goes on (production.restore).
"""

import struct

from production import oee
from production.calendar import EPOCH_S

STATE_GROUP = 3  # after the kinds of windows
STATE = ">HHIIHHIHIHHIIIII"
STATE_BYTES = struct.calcsize(STATE)
PLACES = (oee.CYCLES, oee.GOOD, oee.REJECT)


def _split(ms):
    return (0, 0) if ms is None else (ms // 1000 + EPOCH_S, ms % 1000)


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
    for i, place in enumerate(PLACES):
        counter = machine.counters.get(place)
        known |= (counter is not None and counter.last is not None) << i
        last.append(counter.last if known >> i & 1 else 0)
    since = machine.since
    since_s = 0 if since is None or machine.zero is None else (since + machine.zero) // 1000 + EPOCH_S
    return struct.pack(
        STATE,
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
