"""Wires the application to the board: the only place that knows both. In memory for the start only.

`start` makes the hardware behind the seams and the gateway on it, and says in one line what is in the way.
"""

import gc
import sys

import board

from flashlog.layout import LogMismatch
from gateway.errors import ConfigError


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
        self.reset_cause = part("chip").reset_cause()
        self.console = part("console").open_console()
        self.watchdog = part("watchdog").Watchdog(board.WATCHDOG_MS, self.clock)


def settler():
    """What main.py calls when the start has left memory: code goes where it needs no heap, if the board can do that."""
    if board.PORT != "rp2":
        return gc.collect
    settle = part("inplace").settle
    from gateway import unload

    unload.unload("ports.rp2.inplace")
    unload.unload("flashlog.watch")
    return settle


def load():
    """Both halves of the configuration and the seconds of their trial; the code that checked them is gone then."""
    from gateway import config, revisions, unload

    folder, trial_s, line = revisions.start()
    if line:
        print(line)
    halves = config.load(folder, len(board.RS485))
    unload.unload("gateway.config")
    unload.unload("gateway.rules")
    return halves + (trial_s,)


def start(make_parts=Parts):
    """(gateway, 0), or (None, exit status): 2 configuration, 3 hardware, 4 flash log; printed lines say what to do."""
    from gateway import unload

    chip = part("chip")
    print("box %s, started by %s" % (chip.chip_id(), chip.reset_cause()))  # `fieldgate flash` waits for this line
    try:
        ot, it, trial_s = load()
        from gateway import start as starter
        from gateway.app import Gateway

        plans = starter.make_plans(ot)
        parts = make_parts(ot, it)
        unload.unload("ports.%s.storage" % board.PORT)
        gateway = Gateway(parts, plans, ot, it)
        gateway.trial_s = trial_s
    except ConfigError as error:
        print(error)
        return None, 2
    except MemoryError:
        print("this configuration does not fit into the board's memory: fewer points or features, or a larger board")
        return None, 2
    except LogMismatch as error:
        print(
            "flash log: %s; nothing was changed. To begin a new log save this one, then remove it (virtual board: the "
            "flash file; pinned blocks: the folder log)" % error
        )
        return None, 4
    except (OSError, ValueError) as error:
        text = error.args[-1]  # the ports put it last, behind the error number
        print(
            text
            if isinstance(text, str)
            else "flash or file system failed (errno %s): check its space and health" % text
        )
        return None, 3
    return gateway, 0
