"""The command `fieldgate collect`: everything from a broker into SQLite, or any database that SQLAlchemy reaches.

Promises: a message is acknowledged to the broker only when the database has committed it; started again with the same
database it goes on where it ended, also after kill -9; gaps, duplicates and publish delay are shown while it runs and
at the end; Ctrl-C and SIGTERM end it between two transactions with status 0; errors are one line.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from fieldgate import file_lock
from fieldgate.monitor.client import utc_ms
from fieldgate.monitor_cli import split_address


def collect(
    broker: Annotated[str, typer.Argument(help="broker as host or host:port")] = "127.0.0.1:1883",
    db: Annotated[str, typer.Option(help="file, or URL of any database that SQLAlchemy reaches")] = "fieldgate.db",
    base: Annotated[str, typer.Option(help="base topic of one box or Sparkplug node; all when left out")] = "",
    client_id: Annotated[str, typer.Option(help="names the durable session; from the database when left out")] = "",
    user: Annotated[str, typer.Option(help="user name; the password is read from FIELDGATE_MQTT_PASSWORD")] = "",
    ca: Annotated[Path | None, typer.Option(help="CA certificate (PEM): use TLS")] = None,
    cert: Annotated[Path | None, typer.Option(help="client certificate (PEM)")] = None,
    key: Annotated[Path | None, typer.Option(help="key of the client certificate (PEM)")] = None,
    every: Annotated[float, typer.Option(help="seconds between two reports")] = 10,
    seconds: Annotated[float, typer.Option(help="end after this time; 0 runs until Ctrl-C")] = 0,
    plain: Annotated[bool, typer.Option("--plain", help="lines instead of a live table, also on a terminal")] = False,
) -> None:
    """Store everything that the boxes publish, and tell gaps, duplicates and delay."""
    from sqlalchemy.exc import SQLAlchemyError

    from fieldgate.collect_link import LinkError
    from fieldgate.collect_tables import WrongTables

    host, port = split_address(broker)
    url = url_of(db)
    try:
        run(host, port, url, base, client_id or session_name(url, host, port, base), (user, ca, cert, key),
            Reports(every, plain or not sys.stdout.isatty()), seconds)  # fmt: skip
    except (LinkError, WrongTables, Busy) as error:
        give_up(str(error))
    except ModuleNotFoundError as error:
        give_up(f"--db {shown(url)}: the driver {error.name} is not installed (pip install it into .venv)")
    except SQLAlchemyError as error:
        text = str(getattr(error, "orig", None) or error).splitlines()[0]
        give_up(f"database {shown(url)}: {text}; what was not stored stays with the broker")


def run(
    host: str, port: int, url: str, base: str, client_id: str,
    access: tuple[str, Path | None, Path | None, Path | None], reports: Reports, seconds: float,
) -> None:  # fmt: skip
    """Until `seconds` are over, SIGINT or SIGTERM."""
    from fieldgate.collect_link import Link
    from fieldgate.collect_store import Collection, open_database
    from fieldgate.collect_topics import filters
    from fieldgate.sparkplug_payload import rebirth

    user, ca, certificate, key = access
    link = Link(host, port, client_id, filters(base))
    if user:
        link.login(user, os.environ.get("FIELDGATE_MQTT_PASSWORD", ""))
    if ca:
        link.secure(ca, certificate, key)
    ended = Ended()
    lock = only_writer(url)
    collection = Collection(open_database(url))
    deadline = time.monotonic() + seconds if seconds else float("inf")
    connects = 0
    with reports:
        while not ended.asked and time.monotonic() < deadline:
            messages = link.receive(0.25)
            if link.connects != connects:
                connects = link.connects
                collection.nodes.forget()
            if messages:
                collection.take(messages)
                link.acknowledge()
            for topic in collection.nodes.asks:
                link.publish(topic, rebirth(utc_ms()))
            collection.nodes.asks.clear()
            reports.show(collection, link)
    link.close()
    reports.last(collection, link)
    if lock:
        lock.close()


class Ended:
    """SIGINT and SIGTERM ask for the end; what is being stored is finished first. A second SIGINT interrupts."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGINT, self._ask)
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, _number: int, _frame: object) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Busy(ValueError):
    """The SQLite file cannot be had for writing; the text is one line."""


def only_writer(url: str) -> Any:
    """A lock beside an SQLite file: two collectors would take the session from each other. Raises Busy."""
    path = sqlite_file(url)
    if path is None:
        return None
    try:
        lock = open(f"{path}.lock", "w")  # held until the program ends
    except OSError as error:
        raise Busy(f"--db {path}: {error.strerror}") from None
    try:
        file_lock.take(lock, wait=False)
    except OSError:
        raise Busy(f"another fieldgate collect writes into {path}") from None
    return lock


def url_of(db: str) -> str:
    """`--db` as a URL: a plain path is an SQLite file."""
    return db if "://" in db else f"sqlite:///{db}"


def sqlite_file(url: str) -> str | None:
    """Path of the SQLite file, None for other databases and those in memory."""
    if not url.startswith("sqlite:///") or url.endswith(":memory:"):
        return None
    return url.removeprefix("sqlite:///")


def session_name(url: str, host: str, port: int, base: str) -> str:
    """The same name for the same database and broker, another one otherwise; at most 23 bytes (MQTT 3.1.1, 3.1.3.1)."""
    path = sqlite_file(url)
    place = f"{os.path.abspath(path) if path else url} {host}:{port} {base}"
    return "fg-collect-" + hashlib.sha256(place.encode()).hexdigest()[:12]


def shown(url: str) -> str:
    """The URL without its password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url


def give_up(text: str) -> None:
    print(f"collect: {text}", file=sys.stderr)
    raise typer.Exit(1)


class Reports:
    """What the user sees: a live table on a terminal, else a line for each box every `every_s`; at the end the sums."""

    def __init__(self, every_s: float, plain: bool) -> None:
        self._every_s, self._plain = every_s, plain
        self._next = time.monotonic() + every_s
        self._said = ""
        self._live: Any = None

    def __enter__(self) -> Reports:
        if not self._plain:
            from rich.live import Live

            self._live = Live(auto_refresh=False)
            self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._live:
            self._live.__exit__(*error)

    def show(self, collection: Any, link: Any) -> None:
        """At most once in `every_s`, and when the connection's state has changed."""
        now = time.monotonic()
        state = link.problem or "connected"
        if state != self._said:
            self._said = state
            if self._plain:
                print(f"collect: {state}", flush=True)
        elif now < self._next:
            return
        if now >= self._next:
            self._next = now + self._every_s
        if self._live:
            from fieldgate.collect_view import table

            self._live.update(table(collection, link), refresh=True)
        elif link.connected:
            self._lines(collection)

    def last(self, collection: Any, link: Any) -> None:
        """The sums of this run, and every gap."""
        from fieldgate.collect_view import gap_lines, rest_lines

        if self._plain:
            self._lines(collection)
        for line in [*gap_lines(collection), *rest_lines(collection, link)]:
            print(line, flush=True)

    def _lines(self, collection: Any) -> None:
        from fieldgate.collect_view import box_line

        for box in collection.boxes.values():
            print(box_line(box), flush=True)
