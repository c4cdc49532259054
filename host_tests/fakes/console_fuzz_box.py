"""Runs on MicroPython in a folder with ot.json, it.json and `typed`: the whole application, whose console gets the
bytes of that file as fast as it takes them, on a clock that leaves out every wait.

Units and broker are those of application_rig.py; console, verbs and files are the firmware's own. What the console
shows goes to the standard output. At the end: "heap <before> <after> polls <number>". Status 6 when the box is to start
again, as on the virtual board; the file `at` says where in `typed` it goes on.
"""

import asyncio
import asyncio.core
import gc
import io
import sys
import time

import application_rig
from ports.linux import clock

BEGIN_MS = 5000  # until the console is opened: the start is over
QUIET_S = 2
PAD = "# so that a Ctrl-C is not seen too early\r"
EACH = (
    "status,bus,log,about,alarms,time,read 1 4 0,scan\r\x03,identify 1,show,set line1.baud ?,diff,check,confirm,"
    "rollback,dump ot,load ot x,who,audit,audit verify,net,wifi,mqtt test,test,led,incident,help,commit ?,login ot,"
    "logout,discard,bus frames 1,unset x,status --json,bus --json,show --json,check --json,set line1.b\t\x15,"
    "watch meter 1"
)
_MASK = (1 << 30) - 1
_skipped_us = 0


def now_us():
    return time.ticks_us() + _skipped_us


class Clock(clock.Clock):
    """Goes on while somebody works, and jumps where all wait."""

    @staticmethod
    def ticks_ms():
        return now_us() // 1000 & _MASK

    @staticmethod
    def ticks_us():
        return now_us() & _MASK


class NoWait(asyncio.core.IOQueue):
    def wait_io_event(self, ms):
        global _skipped_us
        _skipped_us += 1000 * max(0, ms)


class Keyboard:
    """The console's seam. `feed(file)`: type all of it; `done` then."""

    def __init__(self):
        self._file = None
        self.done = True

    def feed(self, file):
        self._file = file
        self.done = False

    def read_into(self, buf):
        count = 0
        if not self.done:
            count = self._file.readinto(buf) or 0
            self.done = not count
        return count

    def write(self, data):
        sys.stdout.buffer.write(data)
        return len(data)


class Units(application_rig.Units):
    """They know FC 1 to 4 only."""

    _sent_us = 0

    def send(self, frame):
        self._sent_us = now_us()
        if len(frame) == 8 and frame[1] <= 4:
            super().send(frame)

    def available(self):
        return len(self._reply) if now_us() - self._sent_us >= application_rig.REPLY_US else 0


class Parts(application_rig.Parts):
    def __init__(self, ot, it):
        super().__init__(ot, it)
        self.clock = Clock()
        self.console = Keyboard()
        self.ports = [Units()]


def used():
    gc.collect()
    return gc.mem_alloc()


async def type_file(gateway, file):
    gateway.console.feed(file)
    while not gateway.console.done:
        await asyncio.sleep(1)
    await asyncio.sleep(QUIET_S)


async def settle(gateway):
    """Bytes in use after the same lines each time: they end what runs and fill the console's history."""
    lines = ["\x02\x03\r\x03", "discard", "set line1.baud 9600", "check", "discard"]
    lines += ["# %d %s" % (number, "x" * 150) for number in range(8)]
    await type_file(gateway, io.BytesIO("\r".join(lines + [""]).encode()))
    return used()


async def session(gateway, typed):
    """All that is to be typed, and the heap before and after."""
    await asyncio.sleep_ms(BEGIN_MS)
    for letter in "".join([chr(code) for code in range(256)]):
        assert letter  # MicroPython keeps each letter that it ever took out of a text
    each = EACH.replace(",", "\r%s" % PAD) + "\r"  # the names in the code of each stay in memory for good
    await type_file(gateway, io.BytesIO(each.encode()))
    before = await settle(gateway)
    await type_file(gateway, typed)
    print("\nheap", before, await settle(gateway), "polls", gateway.buses[0].stats()["requests"])


async def run(gateway, typed):
    """True if the box is to start again."""
    from gateway.app import Restart

    ended = []

    async def poll():
        try:
            await gateway.run()
        except Restart:
            ended.append(True)

    polls = asyncio.create_task(poll())
    typing = asyncio.create_task(session(gateway, typed))
    while not (typing.done() or polls.done()):
        await asyncio.sleep(1)
    if not ended:
        await (typing if typing.done() else polls)  # raises what has ended it
    return bool(ended)


def start(parts):
    """(gateway, exit status) on a clock that leaves out every wait."""
    import wiring
    from gateway import unload

    asyncio.core.ticks = Clock.ticks_ms
    asyncio.core._io_queue = NoWait()
    gc.threshold(20480)  # as main.py has it
    for found in wiring.start(parts, ("clock", "flash")):
        pass
    del wiring
    unload.starters()
    gc.threshold(-1)
    return found


def main():
    gateway, status = start(Parts)
    if gateway is None:
        from gateway import revisions

        return 6 if revisions.roll_back("the box could not start with it") else status
    typed = open("typed", "rb")
    with open("at") as file:
        typed.seek(int(file.read()))
    if not asyncio.run(run(gateway, typed)):
        return 0
    with open("at", "w") as file:
        file.write(str(typed.tell()))
    return 6


if __name__ == "__main__":
    sys.exit(main())
