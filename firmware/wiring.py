"""Wires the application to the board: the only place that knows both. In memory for the start only.

`start` makes the hardware behind the seams and the gateway on it, and says in one line what is in the way.
"""

import gc
import sys

import board

from flashlog.layout import LogMismatch
from gateway import unload
from gateway.errors import ConfigError

KEPT = ("gateway.errors", "wiring")  # an error's class must stay the one that is caught here


def part(name):
    """Module `name` of this board's ports."""
    path = "ports.%s.%s" % (board.PORT, name)
    __import__(path)
    return sys.modules[path]


def hold_prompt():
    """The Python prompt has the box for a while; returns what is to be `exit` there. See ports/prompt.py."""
    return prompt().hold(board.WATCHDOG_MS, board.PORT)


def prompt():
    """The module of the prompt: chips share one."""
    if board.PORT == "linux":
        return part("prompt")
    from ports import prompt

    return prompt


def make_led():
    """The status LED, None on a board that has none."""
    return None if board.LED["pin"] is None else part("led").Led(board.LED["pin"])


class Parts:
    """The board's hardware behind the seams of DESIGN.md. Raises OSError or ValueError with one clear line."""

    def __init__(self, ot, it):
        self.clock = part("clock").Clock()
        self.led = make_led()
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
    unload.unload("ports.rp2.xip")
    unload.unload("flashlog.watch")
    return settle


def load():
    """Both halves of the configuration and the seconds of their trial; the code that checked them is gone then.

    Of a box that has none: its console and twice nothing, if somebody can type there."""
    from gateway import config, revisions

    folder, trial_s, line = revisions.start()
    if line:
        print(line)
    if revisions.blank(folder):
        console = part("console").open_console()
        if console:
            return console, None, 0
    halves = config.load(folder, len(board.RS485))
    unload.starters(KEPT)
    return halves + (trial_s,)


def make_plans(ot):
    """One poll plan per bus; the code that makes them is gone then. Raises ConfigError."""
    from gateway import planning

    plans = planning.make_plans(ot)
    unload.starters(KEPT + ("gateway.schema_store", "gateway.virtual"))  # gateway.start asks for these at once
    return plans


def blank_box(console):
    """What runs until the box has a configuration: the console only. The watchdog is not started."""
    from gateway.blank import Blank

    chip = part("chip")
    clock = part("clock").Clock()
    rs485 = part("uart_rs485").Rs485
    return Blank(
        console,
        clock,
        make_led(),
        [rs485(wired, 19200, "8E1") for wired in board.RS485],
        lambda it: part("net").Net(board.NET, it, clock),
        chip.chip_id(),
    )


def start(make_parts=Parts):
    """(gateway, 0), or (None, exit status): 2 configuration, 3 hardware, 4 flash log; printed lines say what to do."""
    chip = part("chip")
    print("box %s, started by %s" % (chip.chip_id(), chip.reset_cause()))  # `fieldgate flash` waits for this line
    try:
        ot, it, trial_s = load()
        if it is None:
            return blank_box(ot), 0
        plans = make_plans(ot)
        parts = make_parts(ot, it)
        unload.unload("ports.%s.storage" % board.PORT)
        from gateway.app import Gateway

        gateway = Gateway(parts, plans, ot, it)
        if trial_s < 0:  # the first configuration: it works so far, and there is none to go back to
            from gateway import revisions

            revisions.confirm()
            trial_s = 0
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
