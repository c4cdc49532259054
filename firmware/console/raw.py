"""Answers MicroPython's raw REPL protocol from inside the loop, for `mpremote resume exec "import console; ..."`.

Protocol (MicroPython documentation, reference/repl): Ctrl-A enters, code ends with Ctrl-D, the answer is "OK", output,
Ctrl-D, errors, Ctrl-D, ">". Only `console.run('...')` is run, and nothing else stops: code cannot run beside the loop.
What is an ERR goes to the errors, which makes mpremote end with a status other than 0.
"""

from console import verbs

_MAX_CODE_BYTES = 512
_GONE_MS = 10000
_BANNER = "raw REPL; CTRL-B to exit\r\n>"
# Ctrl-D without code asks for a soft reset, as mpremote does without `resume`; it waits for these two words at the end.
_NO_RESET = "OK\r\nthe gateway goes on: no soft reboot\r\n"
_REFUSED = 'refused while the gateway runs: only  import console; console.run("status")'


async def serve(shell, sleep_ms):
    """Until Ctrl-B, or until the program has gone: who types then must get the console."""
    await shell.write("\r\n" + _BANNER, sleep_ms)
    code = bytearray()
    while True:
        byte = await shell.key(sleep_ms, _GONE_MS)
        if byte == 2 or byte < 0:
            await shell.write("\r\n> ", sleep_ms)
            return
        if byte == 3:
            code = bytearray()
        elif byte == 1:
            code = bytearray()
            await shell.write("\r\n" + _BANNER, sleep_ms)
        elif byte == 5:
            # Raw paste is asked for by Ctrl-E A Ctrl-A: answer that it is known but not offered.
            await shell.key(sleep_ms, _GONE_MS)
            await shell.key(sleep_ms, _GONE_MS)
            await shell.write("R\x00", sleep_ms)
        elif byte == 4 and not code:
            await shell.write(_NO_RESET + _BANNER, sleep_ms)
        elif byte == 4:
            await _run(shell, bytes(code), sleep_ms)
            code = bytearray()
        elif len(code) < _MAX_CODE_BYTES:
            code.append(byte)


def line_of(code):
    """The line in `console.run('line')`, None when the code is something else."""
    for byte in code:
        if byte > 127:
            return None
    text = str(code, "utf-8")
    for part in text.replace("\n", ";").split(";"):
        part = part.strip()
        if part in ("", "import console"):
            continue
        if part[:12] != "console.run(" or part[-1:] != ")":
            return None
        inner = part[12:-1].strip()
        if len(inner) > 1 and inner[0] in "'\"" and inner[-1] == inner[0] and inner[0] not in inner[1:-1]:
            return inner[1:-1]
        return None
    return None


class _Screen:
    """All of an answer, for a program: see console.page."""

    whole = True
    error = ""

    def __init__(self, shell, sleep_ms):
        self._shell = shell
        self._sleep_ms = sleep_ms

    async def say(self, line):
        await self._shell.write(line + "\r\n", self._sleep_ms)

    async def end(self, line):
        if line == "OK":
            await self.say(line)
        else:
            self.error = line + "\r\n"


async def _run(shell, code, sleep_ms):
    line = line_of(code)

    async def ask(question, sleep_ms):
        raise verbs.Refused(verbs.MISSING, "this asks for something: use a terminal, or add yes where polling stops")

    await shell.write("OK", sleep_ms)
    screen = _Screen(shell, sleep_ms)
    if line:
        await shell.answer(line, screen, ask, sleep_ms)
    else:
        screen.error = _REFUSED + "\r\n"
    await shell.write("\x04%s\x04>" % screen.error, sleep_ms)
