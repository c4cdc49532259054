"""Wires the application to the board: the only place that knows both. Starts by itself at power-on."""

import gc

# Collect often while starting: otherwise what is kept lies scattered over the whole heap
# between garbage, and no room is left in one piece (measured: 8 KB not to be had of 130 KB free).
gc.threshold(8192)

import asyncio  # noqa: E402
import sys  # noqa: E402

import board  # noqa: E402

CRASH_FILE = "crash.txt"
RESTART = 6


def part(name):
    """Module `name` of this board's ports."""
    path = "ports.%s.%s" % (board.PORT, name)
    __import__(path)
    return sys.modules[path]


class Parts:
    """The board's hardware behind the seams of DESIGN.md. Raises OSError or ValueError with one clear line."""

    def __init__(self, ot, it):
        self.clock = part("clock").Clock()
        self.led = part("led").Led(board.LED["pin"])
        self.net = part("net").Net(board.NET, it, self.clock)
        self.flash = part("storage").open_flash(board.FLASH)
        rs485 = part("uart_rs485").Rs485
        self.ports = [rs485(board.RS485[bus["port"]], bus["baud"], bus["serial_format"]) for bus in ot["buses"]]
        self.rs485 = len(board.RS485)
        self.console = part("console").open_console()
        self.watchdog = part("watchdog").Watchdog(board.WATCHDOG_MS, self.clock)


def load():
    """Both halves of the configuration and the seconds of their trial; the code that checked them is gone then."""
    from gateway import config, revisions

    folder, trial_s, line = revisions.start()
    if line:
        print(line)
    halves = config.load(folder, len(board.RS485))
    config.forget()
    return halves + (trial_s,)


def main():
    """Returns the exit status: 2 configuration, 3 hardware, 4 flash log, 5 ours, 6 start again."""
    from flashlog.layout import LogMismatch
    from gateway.errors import ConfigError

    try:
        ot, it, trial_s = load()
        from gateway.app import Gateway, make_plans

        plans = make_plans(ot)
        gateway = Gateway(Parts(ot, it), plans, ot, it)
        gateway.trial_s = trial_s
    except ConfigError as error:
        print(error)
        return undo(2)
    except LogMismatch as error:
        print(
            "flash log: %s; nothing was changed. To begin a new log save this one, then remove it (virtual board: the "
            "flash file; pinned blocks: the folder log)" % error
        )
        return undo(4)
    except (OSError, ValueError) as error:
        text = error.args[-1]  # the ports put it last, behind the error number
        print(
            text
            if isinstance(text, str)
            else "flash or file system failed (errno %s): check its space and health" % text
        )
        return undo(3)
    del ot, it, plans
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
        print("stopped by the keyboard; what was not in flash yet is lost (at most one block)")
        return 0
    except Restart:
        return RESTART
    except Exception as error:  # a mistake of ours: one line for the technician, the rest for whoever mends it
        with open(CRASH_FILE, "w") as file:
            sys.print_exception(error, file)
        print("internal error: %s: %s (details in %s)" % (type(error).__name__, error, CRASH_FILE))
    return undo(5)


if __name__ == "__main__":
    while True:
        status = main()
        if status != RESTART:
            sys.exit(status)
        part("power").reset()  # a board starts anew here; the virtual one comes back
