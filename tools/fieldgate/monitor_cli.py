"""The command `fieldgate monitor`: live values, rates and events of one box, from the broker alone."""

import os
import signal
import sys
import time
from typing import Annotated, Any

import typer


def monitor(
    broker: Annotated[str, typer.Option(help="broker as host or host:port")] = "127.0.0.1:1883",
    base: Annotated[str, typer.Option(help="base topic of the box; the first one seen when left out")] = "",
    user: Annotated[str, typer.Option(help="user name; the password is read from FIELDGATE_MQTT_PASSWORD")] = "",
    seconds: Annotated[float, typer.Option(help="end after this time; 0 runs until Ctrl-C")] = 0,
    plain: Annotated[bool, typer.Option("--plain", help="one line per second, also on a terminal")] = False,
) -> None:
    """Show live values with unit, quality and age, rates, bus, log and events of a box."""
    from fieldgate.monitor.client import Consumer
    from fieldgate.monitor.site import Site, filters

    site = Site(new_store)
    host, port = split_address(broker)
    consumer = Consumer(host, port, filters(base), user=user, password=os.environ.get("FIELDGATE_MQTT_PASSWORD", ""))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    consumer.start()
    try:
        deadline = time.monotonic() + seconds if seconds else float("inf")
        if plain or not sys.stdout.isatty():
            _plain(site, consumer, base, deadline)
        else:
            _live(site, consumer, base, deadline)
    except KeyboardInterrupt:
        pass
    finally:
        consumer.stop()
    if consumer.dropped or site.ignored:
        typer.echo(f"messages dropped {consumer.dropped}, of no known box {site.ignored}")


def new_store() -> Any:
    """A store that decodes CBOR envelopes."""
    from fieldgate.monitor.decoder import decode
    from fieldgate.monitor.store import Store

    return Store(decode)


def split_address(broker: str) -> tuple[str, int]:
    """host and port; raises typer.BadParameter."""
    host, colon, port = broker.rpartition(":")
    if not colon:
        return broker, 1883
    if not port.isdigit() or not 1 <= int(port) <= 65535:
        raise typer.BadParameter(f"--broker: found port {port!r}, allowed 1..65535")
    return host, int(port)


def _chosen(site: Any, base: str) -> Any:
    """The store to show: the wanted box, or the first one that was seen; an empty one until then."""
    if not site.stores:
        return new_store()
    return site.stores.get(base) or next(iter(site.stores.values()))


def _link(consumer: Any) -> Any:
    from fieldgate.monitor.view import Link

    return Link(consumer.connected, consumer.problem)


def _plain(site: Any, consumer: Any, base: str, deadline: float) -> None:
    from fieldgate.monitor.client import utc_ms
    from fieldgate.monitor.view import clock_text, plain_line

    shown_events = 0
    while time.monotonic() < deadline:
        time.sleep(1)
        consumer.drain(site.feed)
        store = _chosen(site, base)
        new_events = store.event_count - shown_events
        for seen in list(store.events)[len(store.events) - min(new_events, len(store.events)) :]:
            typer.echo(f"          event: {store.event_text(seen.event)}")
        shown_events = store.event_count
        line = plain_line(store, _link(consumer), utc_ms())
        typer.echo(f"{clock_text(utc_ms())}  {line}" + (f" ({consumer.problem})" if consumer.problem else ""))


def _live(site: Any, consumer: Any, base: str, deadline: float) -> None:
    from rich.console import Console
    from rich.live import Live

    from fieldgate.monitor.client import utc_ms
    from fieldgate.monitor.view import screen

    console = Console()
    with Live(console=console, auto_refresh=False, screen=True) as live:
        while time.monotonic() < deadline:
            consumer.drain(site.feed)
            others = len(site.stores) - 1
            notes = [f"{others} more boxes on this broker (--base chooses)"] if others > 0 and not base else []
            size = console.size
            view = screen(_chosen(site, base), _link(consumer), utc_ms(), size.width, size.height, notes)
            live.update(view, refresh=True)
            time.sleep(0.25)
