"""Wires the application to the board: the only place that knows both. Starts by itself at power-on."""

import gc

# Collect often while starting: otherwise what is kept lies scattered over the whole heap
# between garbage, and no room is left in one piece (measured: 8 KB not to be had of 130 KB free).
gc.threshold(8192)

import asyncio  # noqa: E402
import sys  # noqa: E402

import board  # noqa: E402

CRASH_FILE = "crash.txt"


def part(name):
    """Module `name` of this board's ports."""
    path = "ports.%s.%s" % (board.PORT, name)
    __import__(path)
    return sys.modules[path]


class Parts:
    """The board's hardware behind the seams of DESIGN.md. Raises OSError or ValueError with one clear line."""

    def __init__(self, ot):
        self.clock = part("clock").Clock()
        self.led = part("led").Led(board.LED["pin"])
        self.net = part("net").Net()
        self.flash = part("storage").open_flash(board.FLASH)
        rs485 = part("uart_rs485").Rs485
        self.ports = [rs485(board.RS485[bus["port"]], bus["baud"], bus["serial_format"]) for bus in ot["buses"]]
        self.watchdog = part("watchdog").Watchdog(board.WATCHDOG_MS, self.clock)


def load():
    """Both halves of the configuration; the code that checked them is gone from memory afterwards."""
    from gateway import config

    halves = config.load("", len(board.RS485))
    config.forget()
    return halves


def main():
    """Returns the exit status: 2 configuration, 3 hardware, 4 flash log, 5 ours; the lines printed say what to do."""
    from flashlog.layout import LogMismatch
    from gateway.errors import ConfigError

    try:
        ot, it = load()
        from gateway.app import Gateway, make_plans

        plans = make_plans(ot)
        gateway = Gateway(Parts(ot), plans, ot, it)
    except ConfigError as error:
        print(error)
        return 2
    except LogMismatch as error:
        print(
            "flash log: %s; nothing was changed. To begin a new log save this one, then remove it (virtual board: the "
            "flash file; pinned blocks: the folder log)" % error
        )
        return 4
    except (OSError, ValueError) as error:
        text = error.args[-1]  # the ports put it last, behind the error number
        print(
            text
            if isinstance(text, str)
            else "flash or file system failed (errno %s): check its space and health" % text
        )
        return 3
    del ot, it, plans
    gc.threshold(-1)  # from now on in pauses of the bus, see gateway.keeper
    return run(gateway)


def run(gateway):
    """Run until something ends it; returns the exit status."""
    try:
        asyncio.run(gateway.run())
    except KeyboardInterrupt:
        print("stopped by the keyboard; what was not in flash yet is lost (at most one block)")
        return 0
    except Exception as error:  # a mistake of ours: one line for the technician, the rest for whoever mends it
        with open(CRASH_FILE, "w") as file:
            sys.print_exception(error, file)
        print("internal error: %s: %s (details in %s)" % (type(error).__name__, error, CRASH_FILE))
    return 5


if __name__ == "__main__":
    sys.exit(main())
