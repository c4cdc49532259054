"""The program `fieldgate`: mounts the commands of the other modules.

Promises: only the module of the command that was asked for is imported, so one broken or slow part does not touch
the others; what goes wrong is said in one line on stderr with a status that is not 0. FIELDGATE_DEBUG=1 shows
tracebacks.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, NamedTuple, NoReturn

import typer

from fieldgate import places


class Command(NamedTuple):
    """Where a command lives: `attribute` of `module` is a typer app or a plain command function."""

    name: str
    module: str
    attribute: str
    help: str


COMMANDS = (
    Command("demo", "fieldgate.demo_cli", "demo", "Run the whole path with an outage and judge the result."),
    Command("plant", "fieldgate.plant_cli", "plant", "Serve the virtual RS-485 line with its Modbus units."),
    Command("monitor", "fieldgate.monitor_cli", "monitor", "Show live values, rates and events from a broker."),
    Command("collect", "fieldgate.collect_cli", "collect", "Store everything from a broker in a database."),
    Command("decode", "fieldgate.decode_cli", "decode", "Decode published batches from a file or stdin."),
    Command("glossary", "fieldgate.glossary_cli", "glossary", "Print the glossary, or look a word up."),
    Command("console-manual", "fieldgate.console_manual", "main", "Print the manual of the box's console."),
    Command("log", "fieldgate.log_cli", "app", "Look into the flash log of an image or a box."),
    Command("profile", "fieldgate.profile_cli", "app", "List, check, import and apply device profiles."),
    Command("modbus-map", "fieldgate.modbus_map_cli", "modbus_map", "Print the registers that SCADA reads from a box."),
    Command("certs", "fieldgate.certs_cli", "app", "Check certificates and convert them for a box."),
    Command("build", "fieldgate.build_cli", "build", "Compile the device files of the boards into build/boards/."),
    Command("image", "fieldgate.image_cli", "build_image", "Build the image of a board, with its papers."),
    Command("firmware", "fieldgate.image_cli", "app", "Check and pin downloaded MicroPython images."),
    Command("flash", "fieldgate.flash_cli", "flash_board", "Write an image onto a board over the cable."),
    Command("deploy", "fieldgate.flash_cli", "deploy_code", "Update the code on a box, changed files only."),
    Command("repl", "fieldgate.flash_cli", "repl", "Talk to a box over the cable."),
    Command("backup", "fieldgate.flash_cli", "backup", "Save the configuration of a box into a file."),
    Command("restore", "fieldgate.flash_cli", "restore", "Write such a file onto a box."),
    Command("provision", "fieldgate.provision_cli", "provision_boxes", "Set up boxes over the cable, with labels."),
    Command("audit", "fieldgate.audit_cli", "audit", "Check a box's record of logins and changes."),
    Command("size", "fieldgate.build_cli", "size", "Compare the .mpy bytes of every device module with its budget."),
)


def placeholder(command: Command) -> Any:
    """A stand-in for a command that was not asked for: it exists for the list of commands only."""

    def not_loaded() -> NoReturn:
        raise AssertionError(command.name + " was called without being loaded")

    not_loaded.__doc__ = command.help
    return not_loaded


def build_app(wanted: str | None) -> typer.Typer:
    """The command line with the command `wanted` loaded. Raises ModuleNotFoundError, AttributeError."""
    app = typer.Typer(name="fieldgate", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

    @app.callback()
    def fieldgate() -> None:
        """Fieldgate: Modbus RTU in, durable log, MQTT out. Host tools."""

    for command in COMMANDS:
        if command.name != wanted:
            app.command(command.name, help=command.help)(placeholder(command))
            continue
        target = getattr(importlib.import_module(command.module), command.attribute)
        if isinstance(target, typer.Typer):
            app.add_typer(target, name=command.name, help=command.help)
        else:
            app.command(command.name)(target)
    return app


def fail(text: str, status: int) -> NoReturn:
    print(f"fieldgate: {text}", file=sys.stderr)
    raise SystemExit(status)


def how_to_install() -> str:
    """What to do about a missing package."""
    if places.CHECKOUT:
        return "`make setup` installs the packages"
    return "this command needs a checkout of Fieldgate with make on Linux (`make demo`)"


def main() -> None:
    """Run the command in sys.argv; never returns normally."""
    wanted = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    debug = os.environ.get("FIELDGATE_DEBUG") == "1"
    try:
        build_app(wanted)()
    except KeyboardInterrupt:
        fail("interrupted", 130)
    except ModuleNotFoundError as error:
        if debug:
            raise
        fail(f"{wanted}: {error}; {how_to_install()}", 1)
    except OSError as error:
        if debug:
            raise
        fail(f"{wanted}: {error}", 1)
    except Exception as error:  # the last line of defence: a user gets one line, a developer asks for more
        if debug:
            raise
        fail(f"{wanted}: internal error: {type(error).__name__}: {error} (FIELDGATE_DEBUG=1 shows where)", 70)
