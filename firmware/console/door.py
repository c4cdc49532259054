"""Waits for a key and opens the console then: while nobody types, its code takes no memory."""

from gateway import unload

POLL_MS = 25


async def run(port, gateway, sleep_ms):
    """The console's task, until the program ends."""
    buf = bytearray(32)
    while True:
        count = port.read_into(buf)
        if not count:
            await sleep_ms(POLL_MS)
            continue
        shell = await gateway.keeper.load(_shell, sleep_ms)
        if shell is None:
            print("console: not enough memory now, press Enter again")
            continue
        try:
            await shell.Shell(port, gateway, buf[:count]).run(sleep_ms)
        except MemoryError:
            print("console: out of memory, and logged out; press Enter")
        shell.release()
        for name in ("shell", "editor", "verbs", "page"):
            unload.unload("console." + name)


def _shell():
    from console import shell

    return shell
