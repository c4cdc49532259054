"""The console's line editor: what is typed, what the terminal shows, what comes out; against a model of a terminal."""

import random

from console import editor
from console.editor import LINE, LINE_BYTES, NOTHING, RAW, STOP, TAB, Editor

UP, DOWN, RIGHT, LEFT = b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D"


class Screen:
    """One line of a terminal without cursor sequences: characters, backspaces, bells."""

    def __init__(self):
        self.cells = []
        self.at = 0

    def show(self, text):
        for char in text:
            if char == "\b":
                assert self.at, "backspace beyond the start of the line"
                self.at -= 1
            elif char == "\r":
                self.at = 0
            elif char == "\n":
                self.cells = []
            elif char != "\a":
                self.cells[self.at : self.at + 1] = [char]
                self.at += 1

    def text(self):
        return "".join(self.cells).rstrip()


def typed(keys, data, screen=None):
    """Feed bytes; returns what was announced, lines as text."""
    out = []
    for byte in data:
        what = keys.key(byte)
        if screen:
            screen.show(keys.echo)
        if what == LINE:
            out.append(keys.text())
        elif what != NOTHING:
            out.append(what)
    return out


def test_ends_of_lines():
    assert typed(Editor(), b"one\rtwo\nthree\r\nfour\r\rfive\n\n") == ["one", "two", "three", "four", "", "five", ""]


def test_editing():
    for data, line in (
        (b"abc\x7fd\r", "abd"),
        (b"abc\x08\x08x\r", "ax"),
        (b"set line1 baud\x17x\r", "set line1 x"),
        (b"wrong\x15right\r", "right"),
        (b"ac" + LEFT + b"b\r", "abc"),
        (b"bc\x01a\x05d\r", "abcd"),
        (b"a\x01\x7fb\r", "ba"),
        (b"ab" + RIGHT + LEFT + LEFT + LEFT + b"x\r", "xab"),
        (b"x\x1b[3~y\r", "xy"),
        (b"x\x1bOCy\r", "xy"),
        (b"x\x00\x80\xff\x1fy\r", "xy"),
        (b"word  two \x17z\r", "word  z"),
    ):
        keys, screen = Editor(), Screen()
        assert typed(keys, data[:-1], screen) == []
        assert screen.text() == line, (data, screen.text())
        assert typed(keys, data[-1:]) == [line], data


def test_history():
    keys, screen = Editor(), Screen()
    typed(keys, b"first\rsecond\r", screen)
    assert typed(keys, UP + b"\r", screen) == ["second"]
    assert typed(keys, UP + UP + b"!\r", screen) == ["first!"]
    assert typed(keys, UP + UP + UP + DOWN + DOWN + DOWN + b"new\r", screen) == ["new"]
    for number in range(50):
        typed(keys, b"line %d\r" % number)
    assert len(keys.history) == editor.HISTORY


def test_a_password_is_not_shown_nor_kept():
    keys, screen = Editor(), Screen()
    keys.mask = True
    assert typed(keys, b"secrex\x7ft", screen) == []
    assert screen.text() == "******"
    assert typed(keys, UP + b"\r") == ["secret"] and keys.history == []


def test_control_keys():
    assert typed(Editor(), b"half\x03whole\r") == [STOP, "whole"]
    assert typed(Editor(), b"\x01") == [RAW]
    assert typed(Editor(), b"a\x01\t") == [TAB]


def test_too_long_a_line_is_cut_with_a_bell():
    keys = Editor()
    typed(keys, b"x" * LINE_BYTES)
    assert keys.key(ord("y")) == NOTHING and keys.echo == "\a"
    assert keys.key(13) == LINE and keys.text() == "x" * LINE_BYTES


def test_whatever_is_typed_screen_and_line_agree():
    rng = random.Random(7) if hasattr(random, "Random") else random
    if rng is random:
        random.seed(7)
    choices = (b"a", b"b", b" ", b"\x7f", b"\x15", b"\x17", b"\x01", b"\x05", LEFT, RIGHT, UP, DOWN, b"c", b"d ")
    for _ in range(300):
        keys, screen = Editor(), Screen()
        typed(keys, b"one two\rthree\r")
        for _ in range(40):
            what = choices[rng.getrandbits(8) % len(choices)]
            for byte in what:
                keys.key(byte)
                screen.show(keys.echo)
            shown = Screen()
            shown.show(keys.shown())
            assert (screen.text(), screen.at) == (shown.text(), shown.at)


def test_random_bytes_do_no_harm():
    if hasattr(random, "seed"):
        random.seed(11)
    keys = Editor()
    for _ in range(100000):
        what = keys.key(random.getrandbits(8))
        assert len(keys.echo) <= 3 * LINE_BYTES
        if what == LINE:
            assert len(keys.text()) <= LINE_BYTES
