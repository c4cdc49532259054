"""Identity asked over the bit-level line: units that know both functions, one, or none; units that lie."""

import clock as virtual
import line as wire
from modbus.ask import Ask
from modbus.identity import Identify
from scan_world import Server, World

OBJECTS = {0: b"Acme", 1: b"P-100", 2: b"2.1", 4: b"Press pump", 5: b"P-100/4"}


def identify(server, unit_id=1):
    clock = virtual.Clock(look_us=4)
    world = World(clock, [server])
    ask = Ask(world.open, clock)
    ask.tune(server.baud, server.serial_format)
    who = Identify(ask, unit_id)
    while not who.done:
        clock.us += max(who.step(), 20)
    ask.close()
    assert world.errors == []
    return who, world


def test_both_functions_and_continued_replies():
    server = Server(1, 19200, "8E1")
    server.objects = OBJECTS
    server.server_id = b"\x05\x00P"
    who, world = identify(server)
    assert who.objects == {
        "vendor": "Acme",
        "product_code": "P-100",
        "revision": "2.1",
        "product_name": "Press pump",
        "model": "P-100/4",
        "server_id": "\\x05\\x00P",
        "running": "no",
    }, who.objects
    assert len(world.frames) == who.requests == 6


def test_one_function_or_none():
    server = Server(1, 9600, "8N1")
    who, world = identify(server)
    assert who.objects == {} and [frame[4][1] for frame in world.frames] == [43, 17]
    server.server_id = b"\x05\xff"
    assert identify(server)[0].objects["running"] == "yes"
    assert identify(server, 2)[0].objects == {}


class Liar(Server):
    """Always says that more follows, at an object that it chooses."""

    at = 0

    def answer(self, frame):
        if frame[1] == 17:
            return super().answer(frame)
        self.at = (self.at + self.step) & 0xFF
        return wire.sealed(bytes((1, 43, 14, 1, 0x82, 0xFF, self.at, 1, frame[4], 1, 65)))


def test_units_that_never_end_are_left():
    for step in (0, 1, 7, 255):
        liar = Liar(1, 19200, "8E1")
        liar.step = step
        who, world = identify(liar)
        assert len(world.frames) <= 9, step


def test_a_unit_that_answers_rubbish():
    class Rubbish(Server):
        def answer(self, frame):
            return b"\x01\x2b\x0e\x01\x01\x00\x00\xff" + bytes(200)

    who, world = identify(Rubbish(1, 115200, "8N1"))
    assert who.objects == {} and len(world.frames) == 2
