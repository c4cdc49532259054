"""What one answer shows on a terminal: less than SCREEN_BYTES, so that it is readable at 9600 baud; the rest by `more`.

An answer is gone through to its end also where its screen is full: so OK or ERR stands behind each page and is right,
and nothing waits in memory. `more` answers the same line again and leaves out what was shown.
"""

SCREEN_BYTES = 400
_SURE_BYTES = 280  # so much leaves room for what says that there is more, and for any ERR
_END_BYTES = 4  # OK and its end of line, the shortest


class Page:
    """write: async, takes a text; first: lines that were shown already.

    whole: what comes bit by bit or is for programs is not cut.
    next: after `end`, lines that were shown in all, 0 when there are no more."""

    def __init__(self, write, first):
        self.whole = False
        self.next = 0
        self._write = write
        self._first = first
        self._lines = self._shown = self._bytes = 0
        self._held = []  # lines that fit, unless more comes
        self._full = False

    async def say(self, line):
        """One line of the answer, of at most 78 columns."""
        self._lines += 1
        if self._full or self._lines <= self._first:
            return
        size = self._bytes + len(line) + 2
        if self.whole or size <= _SURE_BYTES:
            self._bytes = size
            await self._show(line)
        elif size + _END_BYTES < SCREEN_BYTES:
            self._bytes = size
            self._held.append(line)
        else:
            self._full = True

    async def _show(self, line):
        self._shown += 1
        await self._write(line + "\r\n")

    async def turn(self):
        """A question comes: the screen begins anew behind it."""
        while self._held:
            await self._show(self._held.pop(0))
        self._bytes = 0

    async def end(self, line):
        """The last line, OK or ERR."""
        room = SCREEN_BYTES - len(line) - 3 - self._bytes
        if self._full or (room < 0 and not self.whole):
            counts = "-- %d of %d lines: type more"
            room -= len(counts) + 6
            kept = len(self._held)
            while kept and room < 0:
                kept -= 1
                room += len(self._held[kept]) + 2
            del self._held[kept:]
            self._full = True
        await self.turn()
        if self._full:
            self.next = min(self._first, self._lines) + self._shown
            await self._write(counts % (self.next, self._lines) + "\r\n")
        await self._write(line + "\r\n")
