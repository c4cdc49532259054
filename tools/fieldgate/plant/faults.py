"""The faults that the line simulator injects, by name, each switchable while the line runs.

Promises: a fault is refused with ValueError when its name or parameters make no sense; what is active is
known at any time; every effect is counted under the fault's name in `counts`. Chances are drawn from a
seeded generator, so that a run with the same traffic fails in the same way.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

FAULTS = {
    "dead_unit": "requests to the unit are not heard by it",
    "lost_reply": "the reply never reaches the line",
    "corrupt": "one byte of the reply arrives with flipped bits",
    "stray_00": "a byte 0x00 precedes the reply",
    "stray_ff": "a byte 0xFF precedes the reply",
    "late_reply": "the reply starts `ms` later than the unit would",
    "noise": "bursts of 1 to 8 random bytes, every `ms` on average",
    "cable_cut": "nothing reaches the units, nothing comes from them",
    "echo": "the client receives its own bytes while it sends",
}
_NEEDS_MS = {"late_reply": 400, "noise": 200}  # defaults in ms
_WHOLE_LINE = ("noise", "cable_cut", "echo")
_MAX_MS = 60_000


@dataclass
class Fault:
    """One active fault.

    unit: the unit id it concerns, None for all. count: how many more times it happens, None until cleared.
    permille: chance per reply, 1..1000. ms: delay or mean interval in ms (late_reply, noise).
    """

    name: str
    unit: int | None = None
    count: int | None = None
    permille: int = 1000
    ms: int = 0


class Faults:
    """The active faults of one line and how often each took effect."""

    def __init__(self, seed: int = 1) -> None:
        self.rng = random.Random(seed)
        self.on_change: Callable[[], None] = lambda: None
        self.counts: dict[str, int] = dict.fromkeys(FAULTS, 0)
        self._active: dict[tuple[str, int | None], Fault] = {}

    def set(
        self,
        name: str,
        unit: int | None = None,
        *,
        count: int | None = None,
        permille: int = 1000,
        ms: int | None = None,
    ) -> Fault:
        """Switch a fault on, replacing one of the same name and unit. Raises ValueError with one line."""
        _check_name(name)
        _check_number(f"{name}.unit", unit, 1, 247)
        _check_number(f"{name}.count", count, 1, 1_000_000)
        _check_number(f"{name}.permille", permille, 1, 1000, none=False)
        _check_number(f"{name}.ms", ms, 1, _MAX_MS)
        if name == "dead_unit" and unit is None:
            raise ValueError("dead_unit.unit: found none, allowed 1..247")
        if name in _WHOLE_LINE and (unit is not None or count is not None or permille != 1000):
            raise ValueError(f"{name}: concerns the whole line until cleared; unit, count and permille do not apply")
        if name not in _NEEDS_MS and ms is not None:
            raise ValueError(f"{name}.ms: only late_reply and noise take it")
        fault = Fault(name, unit, count, permille, ms if ms is not None else _NEEDS_MS.get(name, 0))
        self._active[(name, unit)] = fault
        self.on_change()
        return fault

    def clear(self, name: str | None = None, unit: int | None = None) -> None:
        """Switch off: one fault of one unit, all of one name, or (without arguments) everything."""
        if name is not None:
            _check_name(name)
        _check_number("unit", unit, 1, 247)
        for key in list(self._active):
            if name in (None, key[0]) and unit in (None, key[1]):
                del self._active[key]
        self.on_change()

    def active(self, name: str) -> Fault | None:
        """The active fault of this name, whatever its unit; changes nothing."""
        for key, fault in self._active.items():
            if key[0] == name:
                return fault
        return None

    def strike(self, name: str, unit: int) -> Fault | None:
        """Decide whether the fault happens now to this unit; counts it when it does."""
        fault = self._active.get((name, unit)) or self._active.get((name, None))
        if fault is None or (fault.permille < 1000 and self.rng.randrange(1000) >= fault.permille):
            return None
        self.counts[name] += 1
        if fault.count is not None:
            fault.count -= 1
            if fault.count == 0:
                del self._active[(name, fault.unit)]
        return fault

    def as_list(self) -> list[dict[str, Any]]:
        """What is active, as plain data for the control channel."""
        return [dict(vars(fault)) for fault in self._active.values()]


def _check_name(name: object) -> None:
    if not isinstance(name, str) or name not in FAULTS:
        raise ValueError(f"fault: found {name!r}, allowed {', '.join(FAULTS)}")


def _check_number(what: str, value: object, low: int, high: int, none: bool = True) -> None:
    if value is None and none:
        return
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{what}: found {value!r}, allowed {low}..{high}")
