"""Starts by itself at power-on: lets wiring.py make the gateway, runs it, and says how it ended."""

import gc

# Collect often while starting: otherwise what is kept lies scattered over the whole heap
# between garbage, and no room is left in one piece (measured: 8 KB not to be had of 130 KB free).
gc.threshold(40960)

import asyncio  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402

CRASH_FILE = "crash.txt"
RESTART = 6
PROMPT_FILE = "prompt.txt"  # see ports/prompt.py
PROMPT = 7  # the console's `repl` or `update`: the Python prompt, for a limited time


def main():
    """Returns the exit status: 2 configuration, 3 hardware, 4 flash log, 5 ours, 6 start again, 7 prompt."""
    if sys.platform == "rp2":
        from ports.rp2 import names

        names.take()  # before they are loaded
    import wiring
    from gateway import unload

    for found in wiring.start():
        if found is None:
            settle = wiring.settler()
            settle()  # called from here: no function of the bundle may be under way, see ports.rp2.inplace
            del settle
    gateway, status = found
    del wiring, found
    unload.starters()
    gc.collect()
    if gateway is None:
        return undo(status)
    gc.threshold(-1)  # from now on in pauses of the bus, see gateway.keeper
    return run(gateway)


def undo(status):
    """A configuration on trial with which the box cannot start: the one before comes back. Else `status`."""
    from gateway import revisions

    if revisions.roll_back("the box could not start with it"):
        print("config: the box cannot start with it, the configuration before is back")
        return RESTART
    return status


def run(gateway):
    """Run until something ends it; returns the exit status."""
    from gateway.app import Restart

    try:
        asyncio.run(gateway.run())
    except KeyboardInterrupt:
        print("stopped by the keyboard; " + rescue(gateway))
        return 0
    except Restart as end:
        return PROMPT if end.args[0] else RESTART
    except Exception as error:  # a mistake of ours: one line for the technician, the rest for whoever mends it
        fate = rescue(gateway)
        with open(CRASH_FILE, "w") as file:
            sys.print_exception(error, file)
        if isinstance(error, MemoryError):
            print("out of memory: the gateway starts again; " + fate)
            return RESTART
        print(fate)
        print("internal error: %s: %s (details in %s)" % (type(error).__name__, error, CRASH_FILE))
    return undo(5)


def rescue(gateway):
    """The run has ended unplanned: bring to flash what is still in RAM; returns words that say whether that is safe."""
    try:
        from gateway import rescue

        return rescue.keep(gateway)
    except MemoryError:
        return "what was not in flash yet is lost (at most one block)"


if __name__ == "__main__":
    try:
        os.remove(PROMPT_FILE)
    except OSError:
        pass  # the usual case
    else:
        from wiring import prompt

        prompt().release()
    while True:
        status = main()
        if status == PROMPT:
            from wiring import hold_prompt

            exit = hold_prompt()
            break
        if status != RESTART:
            if sys.platform not in ("rp2", "esp32"):
                sys.exit(status)
            break  # a board shows the Python prompt, or its watchdog starts it again if that runs already
        from wiring import part

        part("chip").reset()  # a board starts anew here; the virtual one comes back
