"""main.py of the virtual board with a meter on its event loop: how long each turn of each task held it.

Run on MicroPython like main.py, in the box's folder. When a file `hold.ask` lies there it is removed, the longest turns
since the last time are written to `hold.json`, as {task: [CPU us, wall us]}, and measuring begins anew. CPU time is the
process's: what else the machine does, which the wall's clock counts, does not count there. Its resolution is 1 ms.
With FIELDGATE_BURN=task in the environment the first turn of that task takes 40 ms of CPU: a control of the judge.
"""

import asyncio
import json
import os
import time

TASKS = ("bus", "keeper", "uplink", "reports", "change", "clock")  # in the order in which gateway.app makes them
LOOK_MS = 50
BURN_S = 0.04
longest = {}
burn = [os.getenv("FIELDGATE_BURN")]


class Metered:
    """A coroutine, as the event loop sees it."""

    def __init__(self, name, coroutine):
        self._name = name
        self._coroutine = coroutine

    def send(self, value):
        cpu_s = time.clock()
        started = time.ticks_us()
        try:
            while burn[0] == self._name:
                if time.clock() - cpu_s > BURN_S:
                    burn[0] = None
            return self._coroutine.send(value)
        finally:
            wall_us = time.ticks_diff(time.ticks_us(), started)
            cpu_us = int((time.clock() - cpu_s) * 1e6)
            most = longest.setdefault(self._name, [0, 0])
            most[0] = max(most[0], cpu_us)
            most[1] = max(most[1], wall_us)

    def throw(self, error):
        return self._coroutine.throw(error)

    def close(self):
        self._coroutine.close()


async def answer():
    while True:
        await asyncio.sleep_ms(LOOK_MS)
        try:
            os.stat("hold.ask")
        except OSError:
            continue
        os.remove("hold.ask")
        with open("hold.new", "w") as file:
            json.dump(longest, file)
        os.rename("hold.new", "hold.json")
        longest.clear()


gather = asyncio.gather
asyncio.gather = lambda *tasks: gather(
    answer(), *[Metered(TASKS[i] if i < len(TASKS) else str(i), task) for i, task in enumerate(tasks)]
)

import main  # noqa: E402  (it would have taken the function before)

main.main()
