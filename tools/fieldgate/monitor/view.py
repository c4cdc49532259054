"""What the monitor shows, as `rich` renderables (live) and as one plain line (no terminal).

Reads a `Store` and changes nothing. Fits 80 columns; where the rows do not fit either, values go into two
columns, and what still does not fit is counted in the last line instead of vanishing.
"""

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

from rich.console import Group as Stack
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from fieldgate.monitor.store import Latest, Store
from fieldgate.monitor.values import shown as shown_value
from fieldgate.points import OUT_OF_RANGE

MIN_EVENTS = 3
STALE_MS = 5_000  # an age beyond this, or three periods, is marked
_GOOD, _BAD, _QUIET, _TITLE = "green", "bold red", "dim", "bold"


class Link(NamedTuple):
    """How the monitor itself stands to the broker: connected or not, and the problem in words."""

    connected: bool
    text: str


def age_text(age_ms: int | None) -> str:
    """At most four characters; "?" when no time is known."""
    if age_ms is None:
        return "?"
    seconds = max(0, age_ms) / 1000
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    for unit, size in (("s", 1), ("m", 60), ("h", 3600)):
        if seconds < 100 * size or unit == "h":
            return f"{min(999, int(seconds // size))}{unit}"
    raise AssertionError("unreachable")


def screen(
    store: Store, link: Link, now_ms: int, width: int, height: int, notes: Sequence[str] = ()
) -> RenderableType:
    """The whole screen. `notes` are lines of the caller (the demo's phases), shown below the title."""
    head = [_title(store, link, now_ms)]
    if not link.connected and link.text:
        head.append(Text(link.text, style=_BAD, no_wrap=True, overflow="ellipsis"))
    head += [Text(note, style="yellow", no_wrap=True, overflow="ellipsis") for note in notes]
    foot = _footer(store, now_ms)
    room = height - len(head) - len(foot) - 2  # a rule above and below the values
    events_wanted = min(max(len(store.events), 1), MIN_EVENTS)
    values, used = _values(store, now_ms, width, max(3, room - events_wanted - 1))
    events = _events(store, max(1, room - used - 1))
    rule = Text("─" * width, style=_QUIET)
    return Stack(*head, rule, values, rule, *foot, *events)


def _title(store: Store, link: Link, now_ms: int) -> Text:
    state = str(store.status.get("state", "unknown"))
    title = Text(no_wrap=True, overflow="ellipsis")
    title.append(f"Fieldgate {store.status.get('box', '')} ", style=_TITLE)
    title.append(state, style=_GOOD if state == "online" else _BAD)
    for key in ("boot", "firmware"):
        if key in store.status:
            title.append(f"  {key} {store.status[key]}", style=_QUIET)
    title.append("  broker ", style=_QUIET)
    title.append("connected" if link.connected else "away", style=_GOOD if link.connected else _BAD)
    title.append(f"  {clock_text(now_ms)}", style=_QUIET)
    return title


def _values(store: Store, now_ms: int, width: int, room: int) -> tuple[RenderableType, int]:
    """The values by unit, in one column or two, and the rows they take."""
    blocks = _blocks(store)
    if not blocks:
        return Text("no values yet: waiting for metadata and data", style=_QUIET), 1
    total = sum(len(block) + 1 for block in blocks)
    if total <= room:
        return _column(store, blocks, now_ms, width, total), total
    split = min(range(len(blocks)), key=lambda k: max(_height(blocks[: k + 1]), _height(blocks[k + 1 :])))
    halves = (blocks[: split + 1], blocks[split + 1 :])
    tallest = max(_height(half) for half in halves)
    fits = tallest <= room
    rows = tallest if fits else room - 1
    grid = Table.grid(padding=(0, 1))
    grid.add_row(*[_column(store, half, now_ms, (width - 1) // 2, rows) for half in halves])
    if fits:
        return grid, rows
    hidden = sum(max(0, _height(half) - rows) for half in halves)
    return Stack(grid, Text(f"{hidden} more lines: make the window taller", style="yellow")), room


Block = list[tuple[str, Latest]]


def _blocks(store: Store) -> list[Block]:
    """The points of each unit, in the order of their addresses; after a change of configuration the new ones only."""
    current = [item for item in store.latest.items() if item[1].group.schema == store.status.get("schema")]
    blocks: dict[tuple[int, str], Block] = {}
    for name, latest in sorted(current or store.latest.items(), key=_by_place):
        blocks.setdefault((latest.group.unit_id, latest.group.unit), []).append((name, latest))
    return list(blocks.values())


def _height(blocks: Sequence[Block]) -> int:
    return sum(len(block) + 1 for block in blocks)


def _by_place(item: tuple[str, Latest]) -> tuple[int, int, int, int]:
    group, point = item[1].group, item[1].point
    return group.unit_id, group.fc, group.address, point.at


def _column(store: Store, blocks: Sequence[Block], now_ms: int, width: int, rows: int) -> Table:
    narrow = width < 60
    value_width, quality_width = (10, 4) if narrow else (16, 14)
    name_width = min(width - value_width - quality_width - 4 - 4 - 4, 28)  # unit, age, four gaps
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=name_width, no_wrap=True, overflow="ellipsis")
    table.add_column(width=value_width, justify="right", no_wrap=True, overflow="ellipsis")
    table.add_column(width=4, no_wrap=True)
    table.add_column(width=quality_width, no_wrap=True)
    table.add_column(width=4, justify="right", no_wrap=True)
    lines: list[list[Text]] = []
    for block in blocks:
        group = block[0][1].group
        title = f"{group.unit} ({group.unit_id or 'computed'})"  # unit id 0: the box, see virtual groups
        lines.append([Text(title, style=_TITLE)] + [Text()] * 4)
        lines += [_row(store, latest, now_ms, narrow) for _, latest in block]
    for line in lines[:rows]:
        table.add_row(*line)
    return table


def _row(store: Store, latest: Latest, now_ms: int, narrow: bool) -> list[Text]:
    good = latest.quality == 0 and latest.value is not None
    age = None if latest.words_utc_ms is None else now_ms - latest.words_utc_ms
    stale = age is not None and age > max(STALE_MS, 3 * latest.group.period_ms, latest.group.quiet_ms)
    quality = store.quality_text(latest.quality)
    if latest.value is not None and latest.quality in (0, OUT_OF_RANGE):  # the latter is shown and marked
        shown = shown_value(latest.value)
    else:  # never a number for a failed read; where there is no room the value's place says why
        shown, quality = (quality, "bad") if narrow else ("–", quality)
    return [
        Text(" " + latest.point.name.replace("_", " ")),
        Text(shown, style=_BAD if not good else _QUIET if stale else "bold"),
        Text("" if latest.point.unit == "1" else latest.point.unit.removeprefix("x:"), style=_QUIET),
        Text(quality, style=_GOOD if good else _BAD),
        Text(age_text(age), style="yellow" if stale else _QUIET),
    ]


def _footer(store: Store, now_ms: int) -> list[Text]:
    return [_line(parts) for parts in (*_bus_parts(store), _log_parts(store), _mine_parts(store, now_ms))]


Part = tuple[str, str, bool]  # label, value, alarming


def _bus_parts(store: Store) -> list[list[Part]]:
    lines = []
    for bus in _objects(store.telemetry.get("bus"))[:4]:
        silent = [str(name) for name in bus["silent"]] if isinstance(bus.get("silent"), list) else []
        lines.append(
            [
                (f"bus {bus.get('name', '?')}", "", False),
                ("efficiency", _percent(bus.get("efficiency_permille")), False),
                ("busy", _percent(bus.get("busy_permille")), False),
                ("retries", _count(bus.get("retries")), bool(bus.get("retries"))),
                ("timeouts", _count(bus.get("timeouts")), bool(bus.get("timeouts"))),
                ("crc", _count(bus.get("crc_errors")), bool(bus.get("crc_errors"))),
                *([("silent", " ".join(silent), True)] if silent else []),
            ]
        )
    return lines or [[("bus", "no telemetry yet", False)]]


def _log_parts(store: Store) -> list[Part]:
    log, mqtt = _object(store.telemetry.get("log")), _object(store.telemetry.get("mqtt"))
    if not log and not mqtt:
        return [("log", "no telemetry yet", False)]
    return [
        ("log waiting", _count(log.get("depth")), False),
        ("dropped", _count(log.get("dropped")), bool(log.get("dropped"))),
        ("published", _count(mqtt.get("published")), False),
        ("acked", _count(mqtt.get("acked")), False),
        ("resent", _count(mqtt.get("resent")), False),
    ]


def _mine_parts(store: Store, now_ms: int) -> list[Part]:
    samples, messages = store.rates(now_ms)
    counts = store.counts
    parts = [
        ("received", f"{samples:.1f} reads/s in {messages:.1f} messages/s", False),
        ("failed", str(counts["failed"]), bool(counts["failed"])),
        ("duplicates", str(counts["duplicates"]), False),
        ("missing", str(store.missing), bool(store.missing)),
    ]
    if counts["rubbish"]:
        parts.append(("rubbish", f"{counts['rubbish']} ({store.last_rubbish})", True))
    if store.waiting:
        parts.append(("unexplained", str(store.waiting), True))
    return parts


def _line(parts: Sequence[Part]) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    for label, shown, alarming in parts:
        line.append(f"{label} ", style=_QUIET)
        line.append(f"{shown}  " if shown else " ", style="bold red" if alarming else "bold")
    return line


def _events(store: Store, room: int) -> list[Text]:
    lines = [Text("events", style=_QUIET)]
    for seen in list(store.events)[-max(0, room - 1) :]:
        when = "--:--:--" if seen.utc_ms is None else clock_text(seen.utc_ms)
        lines.append(Text(f"{when}  {store.event_text(seen.event)}", no_wrap=True, overflow="ellipsis"))
    return lines[:room]


def plain_line(store: Store, link: Link, now_ms: int) -> str:
    """One line for a log file: state, rates, what waits, what is wrong."""
    samples, _ = store.rates(now_ms)
    good = sum(latest.quality == 0 for latest in store.latest.values())
    bus = next(iter(_objects(store.telemetry.get("bus"))), {})
    words = [
        f"broker {'connected' if link.connected else 'away'}",
        f"box {store.status.get('state', 'unknown')}",
        f"{good}/{len(store.latest)} values good",
        f"{samples:.1f} reads/s",
        f"bus {_percent(bus.get('efficiency_permille'))}",
        f"retries {_count(bus.get('retries'))}",
        f"log {_count(_object(store.telemetry.get('log')).get('depth'))}",
        f"missing {store.missing}",
    ]
    if store.counts["rubbish"]:
        words.append(f"rubbish {store.counts['rubbish']}")
    return ", ".join(words)


def clock_text(utc_ms: int) -> str:
    """Local time of day."""
    try:
        return datetime.fromtimestamp(utc_ms / 1000, timezone.utc).astimezone().strftime("%H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return "--:--:--"


def _object(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _objects(found: Any) -> list[dict[str, Any]]:
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _count(found: Any) -> str:
    return str(found) if isinstance(found, int) else "–"


def _percent(found: Any) -> str:
    return f"{found / 10:.1f} %" if isinstance(found, (int, float)) else "–"
