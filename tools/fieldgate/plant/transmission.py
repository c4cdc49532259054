"""One transmission on the wire: its bytes, when each character ends, and what overlapped it."""

from __future__ import annotations

from dataclasses import dataclass, field

from fieldgate.plant.rtu import Request
from fieldgate.plant.timing import SerialTiming

CLIENT = "client"
UNIT = "unit"
NOISE = "noise"


@dataclass
class Overlap:
    """A stretch of time in which somebody else was sending too."""

    start_ns: int
    end_ns: int
    sender: str


@dataclass(eq=False)
class Transmission:
    """Bytes that one sender puts on the wire. A client may add bytes while it lasts; others are complete.

    answers: the request, where this is a reply. truth: the reply as the unit meant it. received: characters
    already handed over to the client. whole: the reply's own bytes all reached the client unharmed so far.
    """

    timing: SerialTiming
    sender: str
    data: bytearray
    start_ns: int
    answers: Request | None = None
    truth: bytes = b""
    notes: list[str] = field(default_factory=list)
    overlaps: list[Overlap] = field(default_factory=list)
    received: int = 0
    whole: bool = True
    late_ns: int = 0
    gap_ns: int = 0

    def __post_init__(self) -> None:
        self._runs = [(0, self.start_ns)]  # index of a run's first character, time it starts
        self.end_ns = self.start_ns + self.timing.chars_ns(len(self.data))

    def extend(self, data: bytes, now_ns: int) -> int:
        """Append bytes that the sender wrote at `now_ns`; returns the silence before them in ns (0: gapless)."""
        silence_ns = max(0, now_ns - self.end_ns)
        if silence_ns:
            self._runs.append((len(self.data), now_ns))
        self.data += data
        first, start_ns = self._runs[-1]
        self.end_ns = start_ns + self.timing.chars_ns(len(self.data) - first)
        return silence_ns

    def break_off(self, now_ns: int) -> None:
        """The sender is gone: characters that have not ended by `now_ns` are not sent."""
        del self.data[self.chars_until(now_ns, 0) :]
        self.end_ns = min(self.end_ns, now_ns)

    def char_end_ns(self, index: int) -> int:
        """When the last stop bit of character `index` ends."""
        for first, start_ns in reversed(self._runs):
            if first <= index:
                return start_ns + self.timing.chars_ns(index - first + 1)
        raise IndexError(index)

    def chars_until(self, now_ns: int, first: int) -> int:
        """How many characters have ended by `now_ns`, when the `first` ones are known to have."""
        count = first
        while count < len(self.data) and self.char_end_ns(count) <= now_ns:
            count += 1
        return count

    def meet(self, other: Transmission) -> bool:
        """Note on both sides where they overlap; True when they do and had not met before."""
        start_ns, end_ns = max(self.start_ns, other.start_ns), min(self.end_ns, other.end_ns)
        if start_ns >= end_ns:
            return False
        new = True
        for mine, theirs in ((self, other), (other, self)):
            for known in mine.overlaps:
                if known.sender == theirs.sender and known.start_ns == start_ns:
                    known.end_ns = end_ns
                    new = False
                    break
            else:
                mine.overlaps.append(Overlap(start_ns, end_ns, theirs.sender))
        return new

    def others_during(self, index: int) -> set[str]:
        """Who else was sending while character `index` was on the wire."""
        end_ns = self.char_end_ns(index)
        start_ns = end_ns - self.timing.chars_ns(1)
        return {lap.sender for lap in self.overlaps if lap.start_ns < end_ns and lap.end_ns > start_ns}

    def note(self, name: str) -> bool:
        """Remember that something happened; True the first time."""
        if name in self.notes:
            return False
        self.notes.append(name)
        return True
