"""The whole application on the Unix port without hardware: units that answer, a broker that grants every wish.

Runs on MicroPython in a folder with ot.json and it.json; `live` prints a line on the heap every few seconds.
"""

import asyncio
import gc
import time

import micropython
from app_runs import Connection, Led, Net, Watchdog

REPLY_US = 3000  # when a reply is complete after its request: 8 registers at 115200 baud take 2.5 ms


class Units:
    """The RS-485 seam; every unit answers every read at once, with words that change."""

    rest_ms = 0

    def __init__(self):
        self.requests = 0
        self._reply = b""
        self._due_us = 0

    def send(self, frame):
        from modbus.crc import seal

        count = frame[4] << 8 | frame[5]
        self.requests += 1
        reply = bytearray(5 + 2 * count)
        reply[0:3] = bytes((frame[0], frame[1], 2 * count))
        for i in range(count):
            reply[4 + 2 * i] = (self.requests + i) & 255
        seal(reply)
        self._reply = reply
        self._due_us = time.ticks_add(time.ticks_us(), REPLY_US)

    def available(self):
        return len(self._reply) if time.ticks_diff(time.ticks_us(), self._due_us) >= 0 else 0

    def receive_into(self, buf, n):
        n = min(n, len(self._reply))
        buf[:n] = self._reply[:n]
        self._reply = b""
        return n

    def discard(self):
        n = len(self._reply)
        self._reply = b""
        return n


class Parts:
    """See wiring.Parts."""

    def __init__(self, ot, it):
        from ports.linux.clock import Clock
        from ports.linux.flash import Flash

        self.clock = Clock()
        self.led = Led()
        self.net = Net()
        self.console = None
        self.rs485 = 1
        self.reset_cause = "power"
        self.flash = Flash("flash.img", 32, 256)
        self.ports = [Units()]
        self.watchdog = Watchdog()


def live(seconds, looks):
    """Run for `seconds`, look at the heap `looks` times; the connection is cut in the middle.

    Prints lines "look <polls> <free after a collection> <connections> <acknowledged messages>".
    """
    import wiring
    from gateway import unload

    for found in wiring.start(Parts, ("clock", "flash")):
        pass
    gateway, _ = found
    del wiring
    unload.starters()

    async def watch():
        task = asyncio.create_task(gateway.run())
        for i in range(looks):
            await asyncio.sleep(seconds / looks)
            gc.collect()
            polls = gateway.buses[0].stats()["requests"]
            print("look", polls, gc.mem_free(), gateway.session.connects, gateway.session.acked)
            if i == looks // 2 - 1:
                Connection.cut = True
        micropython.mem_info()
        task.cancel()

    asyncio.run(watch())
