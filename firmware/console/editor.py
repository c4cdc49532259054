"""Edits one line of input: bytes from a terminal in, what to echo and whole lines out.

Knows backspace, Ctrl-U (whole line), Ctrl-W (word), Ctrl-A/E and arrows left/right, arrows up/down (history), Tab. Ends
of lines are CR, LF or CR LF. What does not fit into LINE_BYTES is not taken, the terminal beeps. No allocation per
plain key but the echo. It writes no cursor sequences but backspaces, so every terminal and every log shows it right.
"""

LINE_BYTES = 200
HISTORY = 8

# What `key` returns besides text to echo.
NOTHING = 0
LINE = 1  # `text()` is a line to be answered
STOP = 2  # Ctrl-C
TAB = 3
RAW = 4  # Ctrl-A on an empty line, as a program does that wants the raw REPL


class Editor:
    """The line being typed. `echo` holds what the terminal must show after the last `key`."""

    def __init__(self):
        self.echo = ""
        self.mask = False  # a password is typed: stars are shown, and it gets no place in the history
        self.history = []
        self._line = ""
        self._at = 0
        self._back = 0  # places back in the history
        self._after_cr = False
        self._escape = 0

    def text(self):
        """The line that LINE has announced; the editor starts a new one."""
        line = self._line
        if line and not self.mask and (not self.history or self.history[-1] != line):
            self.history.append(line)
            if len(self.history) > HISTORY:
                self.history.pop(0)
        self.clear()
        return line

    def clear(self):
        """Forget what was typed."""
        self._line = ""
        self._at = self._back = 0

    def before(self):
        """The text left of the cursor, for completion."""
        return self._line[: self._at]

    def shown(self):
        """The line as the terminal shows it, with the cursor at its place: for drawing it again after other output."""
        line = "*" * len(self._line) if self.mask else self._line
        return line + "\b" * (len(line) - self._at)

    def key(self, byte):
        """Take one byte; returns NOTHING, LINE, STOP, TAB or RAW."""
        self.echo = ""
        after_cr, self._after_cr = self._after_cr, byte == 13
        if self._escape and byte >= 32:
            return self._sequence(byte)
        self._escape = 0  # a control character ends a sequence
        if 32 <= byte < 127:
            self.insert(chr(byte))
        elif byte == 13 or (byte == 10 and not after_cr):
            self.echo = "\r\n"
            return LINE
        elif byte == 3:
            self.clear()
            return STOP
        elif byte == 9:
            return TAB
        elif byte == 8 or byte == 127:
            self._delete(self._at - 1)
        elif byte == 21:
            self._replace("")
        elif byte == 23:
            self._delete(self._line[: self._at].rstrip().rfind(" ") + 1)
        elif byte == 1:
            if not self._line:
                return RAW
            self._move(0)
        elif byte == 5:
            self._move(len(self._line))
        elif byte == 27:
            self._escape = 1
        return NOTHING

    def insert(self, text):
        """Put `text` in at the cursor, as far as there is room."""
        text = text[: LINE_BYTES - len(self._line)]
        if not text:
            self.echo = "\a"
            return
        rest = self._line[self._at :]
        self._line = self._line[: self._at] + text + rest
        self._at += len(text)
        if self.mask:
            text, rest = "*" * len(text), "*" * len(rest)
        self.echo = text + rest + "\b" * len(rest)

    def _delete(self, start):
        # From `start` to the cursor.
        if start < 0 or self._at == 0:
            return
        rest = self._line[self._at :]
        count = self._at - start
        self._line = self._line[:start] + rest
        self._at = start
        if self.mask:
            rest = "*" * len(rest)
        self.echo = "\b" * count + rest + " " * count + "\b" * (count + len(rest))

    def _move(self, to):
        if to < self._at:
            self.echo = "\b" * (self._at - to)
        elif to <= len(self._line):
            self.echo = ("*" * (to - self._at)) if self.mask else self._line[self._at : to]
        else:
            return
        self._at = to

    def _replace(self, line):
        here, old = self._at, len(self._line)
        wipe = max(0, old - len(line))
        self._line = line
        self._at = len(line)
        self.echo = "\b" * here + line + " " * wipe + "\b" * wipe

    def _sequence(self, byte):
        # ESC [ A and its like (ECMA-48); numbers within are skipped, and a sequence is at most 8 bytes long.
        if self._escape == 1 and byte in b"[O":
            self._escape = 2
            return NOTHING
        if self._escape >= 2 and 32 <= byte < 64 and self._escape < 8:
            self._escape += 1
            return NOTHING
        known, self._escape = self._escape >= 2, 0
        if not known or self.mask:
            return NOTHING
        if byte == 65 or byte == 66:
            back = self._back + (1 if byte == 65 else -1)
            if 0 <= back <= len(self.history):
                self._replace(self.history[-back] if back else "")
                self._back = back
        elif byte == 67:
            self._move(self._at + 1)
        elif byte == 68 and self._at:
            self._move(self._at - 1)
        return NOTHING
