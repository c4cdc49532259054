"""Runs on the emulated Pico W: the whole application on the emulated Wi-Fi, until it has polled so often.

RS-485 port, clock, flash and network are the board's; LED and watchdog are left out. The host ends the connection.
"""

import asyncio
import gc
import time

import app_runs
import micropython

LOOK_MS = 50


class Parts(app_runs.Parts):
    def __init__(self, ot, it):
        super().__init__(ot, it)
        import board

        from ports.rp2.net import Net

        self.net = Net(board.NET, it, self.clock)


def run(polls, limit_s):
    """Prints the heap, then name and number of each figure."""
    figures = {"boot": app_runs.free()}
    start = time.ticks_ms()

    def took(name):
        figures.setdefault(name, time.ticks_diff(time.ticks_ms(), start))

    gateway = app_runs.started(figures, Parts, took, app_runs.PORTS + ("net",))
    bus = gateway.buses[0]
    session = gateway.session

    polled = [0]

    def tap(read, quality, data, nbytes):
        polled[0] += 1
        took("first_poll_ms")

    gateway.tap = tap

    async def limited():
        task = asyncio.create_task(gateway.run())
        while polled[0] < polls and time.ticks_diff(time.ticks_ms(), start) < limit_s * 1000:
            await asyncio.sleep_ms(LOOK_MS)
            if session.acked and "first_publish_ms" not in figures:
                figures["first_publish_ms"] = time.ticks_diff(time.ticks_ms(), start)
                figures["connected"] = app_runs.free()
        while not (session.ready and session.connects > 1) and time.ticks_diff(time.ticks_ms(), start) < limit_s * 1000:
            await asyncio.sleep_ms(LOOK_MS)
        figures["session_stands"] = int(session.ready)
        figures["running_low"] = gc.mem_free()
        figures["running"] = app_runs.free()
        micropython.mem_info()
        task.cancel()

    try:
        asyncio.run(limited())
    except asyncio.CancelledError:
        pass
    stats = bus.stats()
    for name in ("requests", "replies", "timeouts", "crc_errors"):
        figures[name] = stats[name]
    figures["acked"] = session.acked
    figures["connects"] = session.connects
    figures["hold_max_ms"] = gateway.keeper.hold_max_ms
    figures["heap_low"] = gateway.keeper.heap_low_bytes
    for name in figures:
        print(name, figures[name])
