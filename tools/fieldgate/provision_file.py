"""What `fieldgate provision` is to bring onto boxes: box.toml for all of them, a CSV with what each has for itself.

A configuration becomes keys and texts as a technician types them (`line1.meter.unit_id` `1`), so the console of the
box checks every value, and what differs from box to box is a column with the key's name. Promises: every mistake is a
FileMistake with one line: file, place, found, allowed.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fieldgate.console_link import LINE_BYTES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROLES = ("ot", "it", "viewer")
PLACE = ("enterprise", "site", "area", "line", "cell", "asset")
UNITS = ("all", "some", "none")
LISTS = ("buses", "units", "points")  # their items have names
MAX_BOXES = 10_000
_SERIAL = re.compile(r"[A-Za-z0-9._-]{1,32}")
_TABLES = ("ot", "it", "set", "passwords", "check")


class FileMistake(Exception):
    """Its text is the one line that the user sees."""


@dataclass(frozen=True)
class Value:
    """typed: the key with a + before what it may add; text: as typed behind it."""

    typed: str
    text: str


@dataclass(frozen=True)
class Order:
    """What a box is to have. values: by key without +; roles: who gets a password; units: which must answer;
    broker: whether the box must be connected; listen: (host, port) of the broker as seen from here, or None."""

    values: dict[str, Value]
    roles: tuple[str, ...] = ROLES
    units: str = "all"
    broker: bool = True
    listen: tuple[str, int] | None = None
    serial: str = ""
    port: str = ""

    @property
    def box(self) -> str:
        return self.values["box"].text

    @property
    def base(self) -> str:
        """The base topic."""
        return "/".join(self.values[f"place.{part}"].text for part in PLACE)


@dataclass
class _File:
    """box.toml and where it lies."""

    path: Path
    tree: dict[str, Any]
    values: dict[str, Value] = field(default_factory=dict)

    def wrong(self, where: str, text: str) -> FileMistake:
        return FileMistake(f"{self.path}: {where}: {text}")


def read_order(path: Path) -> Order:
    """The order for every box of the batch. Raises FileMistake."""
    try:
        file = _File(path, tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise FileMistake(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileMistake(f"{path}: {error}") from None
    for key in file.tree:
        if key not in _TABLES:
            raise file.wrong(key, f"unknown, allowed are {', '.join(_TABLES)}")
    for half in ("ot", "it"):
        _half(file, half)
    for key, value in _table(file, "set").items():
        place(file.values, key, text_of(value, f"{path}: set.{key}"), f"{path}: set")
    return _checks(file)


def _table(file: _File, name: str) -> dict[str, Any]:
    table = file.tree.get(name, {})
    if not isinstance(table, dict):
        raise file.wrong(name, "found a value, allowed a table")
    return table


def _half(file: _File, half: str) -> None:
    tree = file.tree.get(half)
    where = f"{file.path}: {half}"
    if isinstance(tree, str):
        source = file.path.parent / tree
        where = str(source)
        try:
            tree = json.loads(source.read_text(encoding="utf-8"))
        except OSError as error:
            raise file.wrong(half, f"{source}: {error.strerror}") from None
        except ValueError as error:
            raise file.wrong(half, f"{source}: {error}") from None
    if not isinstance(tree, dict):
        raise file.wrong(half, "missing, allowed a table or the name of a file with this half")
    for plain, typed, value in leaves(half, tree, where):
        file.values[plain] = Value(typed, text_of(value, f"{where}: {plain}"))


def _checks(file: _File) -> Order:
    roles = _table(file, "passwords").get("roles", list(ROLES))
    if not isinstance(roles, list) or not set(roles) <= set(ROLES):
        raise file.wrong("passwords.roles", f"found {roles}, allowed a list of {', '.join(ROLES)}")
    checks = _table(file, "check")
    for key in checks:
        if key not in ("units", "broker", "listen"):
            raise file.wrong(f"check.{key}", "unknown, allowed are units, broker, listen")
    units = checks.get("units", "all")
    if units not in UNITS:
        raise file.wrong("check.units", f"found {units}, allowed {' or '.join(UNITS)}")
    broker = checks.get("broker", True)
    if not isinstance(broker, bool):
        raise file.wrong("check.broker", f"found {broker}, allowed true or false")
    listen = checks.get("listen")
    host, _, port = str(listen or "").rpartition(":")
    if listen is not None and not (host and port.isdigit()):
        raise file.wrong("check.listen", f"found {listen}, allowed host:port of the broker as seen from here")
    return Order(file.values, tuple(roles), units, broker, (host, int(port)) if host else None)


def leaves(half: str, tree: dict[str, Any], where: str) -> Iterator[tuple[str, str, Any]]:
    """(key, key with +, value) of all plain values, in the file's order."""
    for key, value in tree.items():
        if key == "format":
            if value != 1:
                raise FileMistake(f"{where}: format: found {value}, allowed 1")
            continue
        name = f"{half}.{key}" if key in ("owner", "revision") else key
        yield from _leaves(value, name, name, where)


def _leaves(value: Any, plain: str, typed: str, where: str) -> Iterator[tuple[str, str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{plain}.{key}", f"{typed}.{key}", where)
    elif isinstance(value, list):
        head, _, last = plain.rpartition(".")
        typed_head = typed.rpartition(".")[0]
        for number, inner in enumerate(value):
            if last not in LISTS:
                yield from _leaves(inner, f"{plain}.{number}", f"{typed}.{number}", where)
                continue
            name = inner.get("name") if isinstance(inner, dict) else None
            if not isinstance(name, str) or not name:
                raise FileMistake(f"{where}: {plain}[{number}].name: missing, each of {last} needs a name")
            rest = {key: item for key, item in inner.items() if key != "name"}
            yield from _leaves(
                rest, f"{head}.{name}".lstrip("."), f"{typed_head}.+{name}".lstrip("."), where
            )
    else:
        yield plain, typed, value


def text_of(value: Any, where: str) -> str:
    """`value` as it is typed at the console. Raises FileMistake for what nobody can type."""
    if value is None or isinstance(value, (bool, int, float)):
        return json.dumps(value)
    if not isinstance(value, str):
        raise FileMistake(f"{where}: found {type(value).__name__}, allowed text, a number, true or false")
    if any(not " " <= char <= "~" for char in value):
        raise FileMistake(f"{where}: found {value!r}, allowed plain ASCII: the console takes nothing else")
    if value != " ".join(value.split()):
        raise FileMistake(f"{where}: found {value!r}, allowed single spaces, none at the ends")
    return value or '""'


def place(values: dict[str, Value], key: str, text: str, where: str) -> None:
    """Put one key in, over what the halves say."""
    plain = plain_key(key)
    old = values.get(plain)
    typed = key if "+" in key or old is None else old.typed
    if len(f"set {typed} {text}") > LINE_BYTES:
        raise FileMistake(f"{where}: {key}: longer than the {LINE_BYTES} characters of a line")
    values[plain] = Value(typed, text)


def plain_key(key: str) -> str:
    """The key without the + of what it may add."""
    return ".".join(word.removeprefix("+") for word in key.split("."))


def finished(order: Order, where: str) -> Order:
    """The order with a serial number, complete. Raises FileMistake."""
    for key in ("box", *(f"place.{part}" for part in PLACE)):
        if key not in order.values:
            raise FileMistake(f"{where}: {key}: missing")
    order = order if order.serial else replace(order, serial=order.box)
    if not _SERIAL.fullmatch(order.serial) or order.serial.strip(".") == "":
        raise FileMistake(f"{where}: serial: found {order.serial!r}, allowed 1..32 of A-Z a-z 0-9 . _ -")
    return order


def read_batch(path: Path, order: Order) -> list[Order]:
    """An order for each row of the CSV: `serial`, perhaps `port`, and keys of the console. Raises FileMistake."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except OSError as error:
        raise FileMistake(f"{path}: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise FileMistake(f"{path}: {error}") from None
    if not 0 < len(rows) <= MAX_BOXES:
        raise FileMistake(f"{path}: found {len(rows)} rows below the header, allowed 1..{MAX_BOXES}")
    orders: list[Order] = []
    seen: dict[str, str] = {}
    for number, row in enumerate(rows, 2):
        where = f"{path}: line {number}"
        orders.append(_row(row, order, where))
        for what in (f"serial {orders[-1].serial}", f"box {orders[-1].box}", f"topic {orders[-1].base}"):
            if what in seen:
                raise FileMistake(f"{where}: {what} is that of {seen[what]}: no two boxes may share it")
            seen[what] = f"line {number}"
    return orders


def _row(row: dict[str | None, Any], order: Order, where: str) -> Order:
    values = dict(order.values)
    given: dict[str, str] = {}
    for key, text in row.items():
        if key is None or text is None:
            raise FileMistake(f"{where}: has not as many fields as the header")
        text = text.strip()
        if key in ("serial", "port"):
            given[key] = text
        elif key in values or key == "box" or "." in key:
            place(values, key, text_of(text, f"{where}: {key}"), where)
        else:
            raise FileMistake(f"{where}: column {key!r}: allowed are serial, port and keys as {_some(order)}")
    if not given.get("serial"):
        raise FileMistake(f"{where}: serial: missing")
    return finished(replace(order, values=values, serial=given["serial"], port=given.get("port", "")), where)


def _some(order: Order) -> str:
    return ", ".join(["box", "place.asset", *[key for key in order.values if key.endswith(".host")][:1]])
