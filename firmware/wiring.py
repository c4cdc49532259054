"""Wires the application to the board: the only place that knows both. In memory for the start only.

`start` makes the hardware behind the seams and the gateway on it, and says in one line what is in the way.
"""

import gc
import sys

import board

from flashlog.layout import LogMismatch
from gateway import unload
from gateway.errors import ConfigError


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
    """What main.py calls when `start` asks for it: code goes where it needs no heap, if the board can do that."""
    if board.PORT != "rp2":
        return gc.collect
    settle = part("inplace").settle
    unload.unload("ports.rp2.inplace")
    unload.unload("ports.rp2.xip")
    unload.unload("flashlog.watch")
    return settle


def counting():
    """(folder of the configuration that counts, seconds of its trial, None); where there is none and somebody can type,
    the third is his console."""
    from gateway import revisions

    folder, trial_s, line = revisions.start()
    if line:
        print(line)
    console = part("console").open_console() if revisions.blank(folder) else None
    unload.starters(True)
    return folder, trial_s, console


def secured(it):
    """True if a broker of the IT half has TLS."""
    return any([broker["tls"] for broker in it["mqtt"]["brokers"]])


def load_lasting(ports, it):
    """Load what a box keeps in memory, but for what few have: a generator that yields None where `settler`'s result is
    to be called, so that the next modules lie where the code of those before was. ports: modules of the board."""
    for name in ports:
        part(name)
    link = {"wifi": "ports.wifi", "wiznet5k": "ports.wired"}.get(board.NET["kind"])
    if link and "net" in ports:
        __import__(link)
    import modbus.bus  # noqa: F401
    import uplink.codec  # noqa: F401

    if it["publish"]["payload"] == "columns":
        import uplink.envelope  # noqa: F401
    yield None
    from gateway import start  # noqa: F401  (and with it all the rest)

    if board.LED["pin"] is not None:
        import gateway.lamp  # noqa: F401
    if secured(it):
        import gateway.secure  # noqa: F401
        import uplink.tls_link  # noqa: F401
    unload.starters(True)
    yield None


def load(folder):
    """(gateway.planned.Planned of the OT half, the IT half); the code that made them is gone then. Raises
    ConfigError."""
    from gateway import config, planning

    mistakes = []
    it = config.it_half(folder, mistakes)
    errors = []
    planned = planning.read(folder, len(board.RS485), it, errors)
    if errors or mistakes:
        raise ConfigError(errors + mistakes)
    unload.starters(True)
    return planned, it


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


PORTS = ("clock", "uart_rs485", "watchdog", "console", "net", "storage")


def start(make_parts=Parts, ports=PORTS):
    """A generator: yields None where the code that stays is loaded and what `settler` gives is to be called, at last
    (gateway, 0), or (None, exit status): 2 configuration, 3 hardware, 4 flash log; printed lines say what to do."""
    chip = part("chip")
    print("box %s, started by %s" % (chip.chip_id(), chip.reset_cause()))  # `fieldgate flash` waits for this line
    try:
        folder, trial_s, console = counting()
        if console:
            blank = blank_box(console)
            yield None
            yield blank, 0
            return
        planned, it = load(folder)  # first: the code that lasts fills the holes which this leaves
        yield from load_lasting(ports, it)
        if secured(it):
            from uplink import tls_link

            tls_link.room.keep()
        parts = make_parts(planned.ot, it)
        unload.unload("ports.%s.storage" % board.PORT)
        known = set(sys.modules)
        from gateway.app import Gateway

        gateway = Gateway(parts, planned, it)
        if trial_s < 0:  # the first configuration: it works so far, and there is none to go back to
            from gateway import revisions

            revisions.confirm()
            trial_s = 0
        gateway.trial_s = trial_s
        if any([name not in known for name in sys.modules]):  # what few boxes have was loaded besides
            yield None
        unload.forget_index()
    except ConfigError as error:
        print(error)
        yield None, 2
    except MemoryError:
        print("this configuration does not fit into the board's memory: fewer points or features, or a larger board")
        yield None, 2
    except LogMismatch as error:
        print(
            "flash log: %s; nothing was changed. To begin a new log save this one, then remove it (virtual board: the "
            "flash file; pinned blocks: the folder log)" % error
        )
        yield None, 4
    except (OSError, ValueError) as error:
        text = error.args[-1]  # the ports put it last, behind the error number
        print(
            text
            if isinstance(text, str)
            else "flash or file system failed (errno %s): check its space and health" % text
        )
        yield None, 3
    else:
        yield gateway, 0
