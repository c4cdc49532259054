"""Runs on MicroPython in a folder with ot.json, it.json and `lines`: the whole application on a troubled line, whose
console is typed each of the lines; prints "SCREEN" and JSON of [line, all that was shown until the next prompt].

Time is virtual: it goes on by waits, and a little by each look at the clock, so every run shows the same. What follows
a | in a line answers the questions that the verb asks. `faults` says what
is wrong, as JSON: unit ids by kind of fault, and "down" where the broker is not reached and the clock is not set.
"""

import asyncio
import io
import json
import sys
import time

import application_rig
import console_fuzz_box as box
from modbus.crc import seal

PROMPT = "\r\n> "
RUN_MS = 120000  # before the first line: the counters say something then
BEGIN_US = time.ticks_us() + 600_000_000  # asyncio begins tasks by the real clock: that must be behind
CHAR_US = 96  # 115200 baud, 8E1
LOOK_US = 20  # of virtual time for each look at the clock
MOST_WAITS = 4000  # of 0.2 s, for one line
with open("faults") as file:
    FAULTS = json.load(file)


_looks = 0


def now_us():
    global _looks
    _looks += 1
    return BEGIN_US + box._skipped_us + _looks * LOOK_US


class Keyboard(box.Keyboard):
    text = ""

    def write(self, data):
        self.text += str(bytes(data), "utf-8")
        return len(data)


class Units(box.Units):
    """Each does what `faults` says of its id; who is not in ot.json is silent."""

    def available(self):
        due_us = 8 * CHAR_US + application_rig.REPLY_US + len(self._reply) * CHAR_US
        return len(self._reply) if now_us() - self._sent_us >= due_us else 0

    def tune(self, baud, serial_format):
        """They answer at every setting."""

    def send(self, frame):
        if len(frame) != 8 or frame[1] > 4 or frame[4]:  # identity, or more than 255 words
            self._reply = b""
            return
        super().send(frame)
        unit, count = frame[0], self.requests
        silent = FAULTS["silent"]
        if unit in silent or unit not in FAULTS["there"] or (unit in FAULTS["sometimes"] and count % 5 == 0):
            self._reply = b""
        elif unit in FAULTS["refuses"]:
            self._reply = bytearray((unit, frame[1] | 0x80, 2, 0, 0))
            seal(self._reply)
        elif unit in FAULTS["damaged"] and count % 3 == 0 and self._reply:
            self._reply[-1] ^= 1
        elif unit in FAULTS["odd"] and count % 3 == 0 and self._reply:
            self._reply[0] = 200
            seal(self._reply)


class Nobody:
    """The network is down."""

    link = None

    def up(self):
        return False

    def connect(self, host, port):
        raise OSError(113)

    def dns_servers(self):
        return []


class Parts(box.Parts):
    def __init__(self, ot, it):
        super().__init__(ot, it)
        self.console = Keyboard()
        self.ports = [Units()]
        if FAULTS["down"]:
            self.net = Nobody()
            self.clock.utc_ms = lambda: None


async def ask(console, line):
    """What is shown for a line."""
    line, *answers = line.split("|")
    console.text = ""
    console.feed(io.BytesIO((line + "\r").encode()))
    for _ in range(MOST_WAITS):
        await asyncio.sleep_ms(200)
        if console.text.endswith(PROMPT):
            return console.text
        if answers and console.text.endswith(": "):
            console.feed(io.BytesIO((answers.pop(0) + "\r").encode()))
    return console.text + "\r\nNO END"


async def session(gateway):
    await asyncio.sleep_ms(RUN_MS)
    await ask(gateway.console, "")
    with open("lines") as file:
        for line in file:
            print("SCREEN", json.dumps([line.strip(), await ask(gateway.console, line.strip())]))
            while "type more" in gateway.console.text:
                print("SCREEN", json.dumps(["more", await ask(gateway.console, "more")]))
    print("END")


async def run(gateway):
    polls = asyncio.create_task(gateway.run())
    typing = asyncio.create_task(session(gateway))
    while not (typing.done() or polls.done()):
        await asyncio.sleep(1)
    await (typing if typing.done() else polls)


def main():
    box.now_us = now_us
    gateway, status = box.start(Parts)
    if gateway is None:
        return status
    from gateway.app import Restart

    try:
        asyncio.run(run(gateway))
    except Restart:
        print("END")  # the last line was one that ends a run
    return 0


if __name__ == "__main__":
    sys.exit(main())
