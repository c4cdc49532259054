"""The console's task: reads keys, answers lines, never holds the loop.

Answers come piece by piece from the verbs (console.verbs); between pieces others run, and Ctrl-C ends a verb, never the
gateway. What a program sends in the form of MicroPython's raw REPL is answered when it is a `console.run`, see
`console.raw`.
"""

import gc
import sys

from console import editor, page, verbs
from console.verbs import Refused
from gateway import revisions, unload

PROMPT = "> "
CRASH_FILE = "crash.txt"
PEOPLE = "config/people"  # roles with passwords; see console.people
LOCK = "config/locked"  # there while nobody may look without a login
POLL_MS = 20
IDLE_MS = 600000
KEPT = ("shell", "editor", "verbs", "page", "door")  # the rest is loaded for a verb
_BROUGHT = ("flashlog.history", "gateway.alarm_list", "gateway.edge_cost", "modbus.probe")  # by verbs, for themselves
_SPARE_BYTES = 20000  # must be free before a verb is loaded: the largest needs 15 KB
_PIECE = 32  # bytes written at once: 3 ms at 115200 baud
_REST_LIMIT_MS = 1000
_PATIENCE_MS = 5000
_CTRL_C = 3
_WAIT_MS = 100  # what a verb's None waits


class Shell:
    """One terminal. port: ports.<port>.console.Console; gateway: the running app; typed: what woke the console up."""

    def __init__(self, port, gateway, typed=b""):
        self.gateway = gateway
        self.role = None
        self.flows = False  # the answer comes bit by bit, or is for a program: it is not cut into screens
        self.crowded = False  # so much was typed ahead that a Ctrl-C behind it would not be seen
        self._port = port
        self._editor = editor.Editor()
        self._buf = bytearray(_PIECE)
        self._buf[: len(typed)] = typed
        self._have = len(typed)
        self._next = 0
        self._stopped = False
        self._next_load = gateway.clock.ticks_ms()
        self._rest = "", 0  # the line whose answer has more to show, and how many lines of it were shown

    async def run(self, sleep_ms):
        """Until nobody has typed for IDLE_MS; who was logged in is logged out then."""
        keys = self._editor
        idle_ms = 0
        while idle_ms < IDLE_MS:
            byte = self._key()
            if byte < 0:
                await sleep_ms(POLL_MS)
                idle_ms += POLL_MS
                continue
            idle_ms = 0
            what = keys.key(byte)
            if keys.echo:
                await self.write(keys.echo, sleep_ms)
            else:
                await sleep_ms(0)
            if what == editor.LINE:
                await self._answer(keys.text(), sleep_ms)
                await self.write(PROMPT, sleep_ms)
            elif what == editor.STOP:
                await self.write("\r\n" + PROMPT, sleep_ms)
            elif what == editor.TAB or what == editor.RAW:
                try:
                    if what == editor.TAB:
                        await self._complete(sleep_ms)
                    else:
                        await (await self._load("raw", sleep_ms)).serve(self, sleep_ms)
                except (Refused, MemoryError, OSError, ValueError):  # no memory now, or a file that cannot be read
                    await self.write("\a", sleep_ms)
                release()
        if self.role:
            await self.write("\r\nlogged out after %d minutes\r\n%s" % (IDLE_MS // 60000, PROMPT), sleep_ms)

    def _key(self):
        # The next byte typed, -1 when there is none now.
        if self._next == self._have:
            self._have = self._port.read_into(self._buf)
            self._next = 0
            if not self._have:
                return -1
        self._next += 1
        return self._buf[self._next - 1]

    async def key(self, sleep_ms, limit_ms=IDLE_MS):
        """The next byte; -1 when none comes within limit_ms."""
        while limit_ms > 0:
            byte = self._key()
            if byte >= 0:
                return byte
            await sleep_ms(POLL_MS)
            limit_ms -= POLL_MS
        return -1

    async def write(self, text, sleep_ms):
        """All of `text`, in pieces between which others run; what a terminal does not take for long is dropped."""
        data = memoryview(text.encode())
        patience = _PATIENCE_MS
        while data and patience > 0:
            count = self._port.write(data[:_PIECE])
            data = data[count:]
            if not count:
                patience -= POLL_MS
            await sleep_ms(0 if count else POLL_MS)

    async def _answer(self, line, sleep_ms):
        async def write(text):
            await self.write(text, sleep_ms)

        async def ask(question, sleep_ms):
            await screen.turn()
            return await self._ask(question, sleep_ms)

        shown = 0
        if self._rest[1] and verbs.find(line.strip().lower()) == "more":
            line, shown = self._rest
        screen = page.Page(write, shown)
        await self.answer(line, screen, ask, sleep_ms)
        self._rest = line if screen.next else "", screen.next

    async def answer(self, line, screen, ask, sleep_ms):
        """Answer `line` on `screen`, which is as console.page.Page; `ask` see `_ask`."""
        self._stopped = False
        code = 0
        try:
            if not await self._run(line.split(), screen, ask, sleep_ms):
                return
        except Refused as error:
            code, text = error.code, error.text
        except MemoryError:
            release()
            gc.collect()
            text = "not enough memory now (%d bytes free): try again, or reboot" % gc.mem_free()
            code = verbs.MEMORY
        except OSError as error:
            text = error.args[-1]
            code, text = verbs.STORAGE, "storage: %s" % (text if isinstance(text, str) else "errno %s" % text)
        except Exception as error:  # a mistake of ours must not stop the polling
            with open(CRASH_FILE, "w") as file:
                sys.print_exception(error, file)
            code, text = verbs.INTERNAL, "internal error: %s (details in %s)" % (type(error).__name__, CRASH_FILE)
        release()  # before others run
        await screen.end(verbs.shortened("ERR %d %s" % (code, text)) if code else "OK")

    async def _run(self, words, screen, ask, sleep_ms):
        # True when there was something to answer.
        if not words or words[0][0] == "#":  # a comment of a pasted dump
            return False
        verb = "help" if words[0] == "?" else verbs.find(words[0].lower())
        if verb is None:
            raise Refused(verbs.UNKNOWN, "unknown verb %s: %s" % (words[0][:20], verbs.hint(words[0])))
        if not isinstance(verb, str):
            raise Refused(verbs.UNKNOWN, "%s may be %s: type more of it" % (words[0], " ".join(verb)))
        if words[1:] == ["?"]:
            words, verb = ["help", verb], "help"
        if self.gateway.log is None and verb in verbs.NOT_BLANK.split():
            raise Refused(verbs.MISSING, "this box has no configuration yet: type setup")
        if not self.role and verb not in verbs.UNLOCKED.split() and revisions.exists(LOCK):
            raise Refused(verbs.LOGIN, "the console is locked: type login ot, it or viewer")
        self.flows = verb in verbs.ACTING.split()
        whole = "--json" in words
        if whole:
            words.remove("--json")
        if len(words) > 1 and verb in verbs.ALONE.split():
            raise Refused(verbs.VALUE, "%s takes no %s: type %s alone, or %s ?" % (verb, words[1][:20], verb, verb))
        if whole:
            module = await self._load("asjson", sleep_ms)
            self.flows = True
            answer = module.answer(self, verb, words[1:])
        else:
            module = await self._load(verbs.MODULES[verb], sleep_ms)
            answer = getattr(module, verb)(self, words[1:])
            whole = verb == "dump"
        reply = None
        while True:
            try:
                piece = answer.send(reply)
            except StopIteration:
                break
            reply = None
            if isinstance(piece, str):
                screen.whole = self.flows
                for line in (piece,) if whole else verbs.wrapped(piece):
                    await screen.say(line)
                await sleep_ms(0)  # also where nothing was shown
            elif piece is None:
                await sleep_ms(_WAIT_MS)
            elif isinstance(piece, int):
                await sleep_ms(piece)
            elif callable(piece):
                reply = await self.gateway.keeper.load(piece, sleep_ms)
            else:
                reply = await ask(piece, sleep_ms)
            if self._stop_pressed():
                answer.close()
                raise Refused(verbs.STOPPED, "stopped by Ctrl-C")
        return True

    def _stop_pressed(self):
        # Looks at what was typed meanwhile without taking it, unless it is Ctrl-C; that may stand behind other keys.
        buf, left = self._buf, self._have - self._next
        for i in range(left if self._next else 0):
            buf[i] = buf[self._next + i]
        self._next, self._have = 0, left
        if left < len(buf):
            self._have += self._port.read_into(memoryview(buf)[left:])
        self.crowded = self._have == len(buf)
        for i in range(self._have):
            if buf[i] == _CTRL_C:
                self._next = i + 1
                self._stopped = True
        return self._stopped

    async def _ask(self, ask, sleep_ms):
        # A line typed as the answer to a verb's question; None when Ctrl-C was pressed.
        keys = self._editor
        keys.mask = ask.secret
        await self.write(ask.text, sleep_ms)
        try:
            while True:
                byte = await self.key(sleep_ms)
                what = keys.key(byte if byte >= 0 else _CTRL_C)  # nobody is there any more
                await self.write(keys.echo, sleep_ms)
                if what == editor.LINE:
                    return keys.text()
                if what == editor.STOP:
                    self._stopped = True
                    await self.write("\r\n", sleep_ms)
                    return None
        finally:
            keys.mask = False

    async def _load(self, name, sleep_ms):
        # Loading holds the loop for longer than a transaction may wait. What is pasted must not take the bus away from
        # polling: after a load the next one waits for a multiple of the time that this one took.
        path = "console." + name
        if path not in sys.modules:
            clock = self.gateway.clock
            rest_ms = clock.ticks_diff(self._next_load, clock.ticks_ms())
            if 0 < rest_ms <= _REST_LIMIT_MS:
                await sleep_ms(rest_ms)
            began = clock.ticks_ms()
            module = await self.gateway.keeper.load(lambda: __import__(path), sleep_ms, _SPARE_BYTES)
            took_ms = clock.ticks_diff(clock.ticks_ms(), began)
            self._next_load = clock.ticks_add(clock.ticks_ms(), min(_REST_LIMIT_MS, 4 * took_ms))
            if module is None:
                raise Refused(verbs.MEMORY, "only %d bytes are free: polling comes first" % gc.mem_free())
        return sys.modules[path]

    async def _complete(self, sleep_ms):
        module = await self._load("complete", sleep_ms)
        added, choices = module.complete(self, self._editor.before())
        if choices:
            for line in verbs.wrapped(choices):
                await self.write("\r\n" + line, sleep_ms)
            await self.write("\r\n%s%s" % (PROMPT, self._editor.shown()), sleep_ms)
        elif added:
            self._editor.insert(added)
            await self.write(self._editor.echo, sleep_ms)
        else:
            await self.write("\a", sleep_ms)

    # What verbs need

    def need(self, half):
        """Raises Refused unless who is logged in may change this half; on a box without passwords everybody may."""
        if self.role != half and revisions.exists(PEOPLE):
            raise Refused(verbs.LOGIN, "this belongs to the %s half: type login %s first" % (half.upper(), half))

    def who(self):
        """Who is at the console, for the records."""
        return self.role or "console"


def release():
    """Drop the code of the verbs: 1.5 bytes of heap for every byte of .mpy."""
    unload.starters()
    for name in _BROUGHT:
        unload.unload(name)
    path = _loaded_verb()
    while path:
        unload.unload(path)
        path = _loaded_verb()


def _loaded_verb():
    # No list of all: 1 KB in one piece is not always to be had.
    for path in sys.modules:
        if path[:8] == "console." and path[8:] not in KEPT:
            return path
    return None
