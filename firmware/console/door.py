"""Waits for a key and opens the console then: while nobody types, its code takes no memory."""

from gateway import unload
from modbus.codes import PAUSE_MODULE

POLL_MS = 25


async def run(port, gateway, sleep_ms):
    """The console's task, until the program ends."""
    buf = bytearray(32)
    while True:
        count = port.read_into(buf)
        if not count:
            await sleep_ms(POLL_MS)
            continue
        await gateway.keeper.pause(PAUSE_MODULE, sleep_ms)
        from console import shell

        gateway.keeper.resume(PAUSE_MODULE)
        await shell.Shell(port, gateway, buf[:count]).run(sleep_ms)
        shell.release()
        for name in ("shell", "editor", "verbs"):
            unload.unload("console." + name)
