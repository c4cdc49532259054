"""Ctrl-C ends what runs whatever was typed before it, and nobody who has gone away leaves the console in a state that
the next person does not understand. In virtual time."""

import sys

from clock import Clock, VirtualLoop
from console import raw, shell, verbs

LONG_S = 700  # longer than shell.IDLE_MS
BANNER = "raw REPL; CTRL-B to exit\r\n>"


class Port:
    def __init__(self):
        self.typed = b""
        self.text = ""

    def read_into(self, buf):
        count = min(len(buf), len(self.typed))
        buf[:count] = self.typed[:count]
        self.typed = self.typed[count:]
        return count

    def write(self, data):
        self.text += str(bytes(data), "utf-8")
        return len(data)


class Keeper:
    async def load(self, importer, sleep_ms, least_bytes=0):
        return importer()


class Gateway:
    log = True

    def __init__(self, clock):
        self.clock = clock
        self.keeper = Keeper()


class Spin:
    """A verb that runs until it is stopped, and one that asks."""

    @staticmethod
    def spin(shell, words):
        while True:
            yield None

    @staticmethod
    def query(shell, words):
        answer = yield verbs.Ask("sure? ")
        yield "was %s" % answer


def session():
    """(loop, port) of a console that knows the verbs spin and query."""
    clock = Clock()
    loop, port = VirtualLoop(clock), Port()
    for name in ("spin", "query"):
        verbs.MODULES[name] = name
        sys.modules["console." + name] = Spin
    console = shell.Shell(port, Gateway(clock))
    loop.spawn(console.run(loop.sleep_ms))
    return loop, port, console


def say(loop, port, typed, ms=500):
    """What the console shows within that time."""
    for name in ("spin", "query"):
        sys.modules["console." + name] = Spin  # an answer's end drops them
    port.text = ""
    port.typed += typed
    loop.run_ms(ms)
    return port.text


def test_ctrl_c_behind_other_keys_ends_a_verb():
    for before in (b"", b"\r", b"x", b"status\r", b"y" * 20):
        loop, port, _ = session()
        assert "ERR" not in say(loop, port, b"spin\r")
        say(loop, port, before)
        assert "ERR 9 stopped by Ctrl-C\r\n> " in say(loop, port, b"\x03"), before


def test_ctrl_c_within_an_escape_sequence_ends_a_line():
    loop, port, _ = session()
    say(loop, port, b"spi\x1b")
    assert say(loop, port, b"\x03").endswith("\r\n> ")
    assert "unknown verb x:" in say(loop, port, b"x\r")


def test_a_screen_full_of_typed_keys_is_told_to_verbs_without_end():
    loop, port, console = session()
    say(loop, port, b"spin\r" + b"z" * 31)
    assert not console.crowded
    say(loop, port, b"zz")
    assert console.crowded


def test_a_question_that_nobody_answers_is_not_left_for_the_next_person():
    loop, port, console = session()
    assert "sure?" in say(loop, port, b"query\r")
    console.role = "ot"
    say(loop, port, b"", LONG_S * 1000)
    assert "ERR 9" in port.text
    say(loop, port, b"", LONG_S * 1000)
    assert "logged out after 10 minutes" in port.text


def test_a_program_that_has_gone_does_not_keep_the_console():
    loop, port, _ = session()
    assert BANNER in say(loop, port, b"\x01")
    assert "unknown" not in say(loop, port, b"frob", 5000)
    say(loop, port, b"", raw._GONE_MS + 1000)
    assert port.text.endswith("\r\n> ")
    assert "unknown verb frob" in say(loop, port, b"frob\r")
