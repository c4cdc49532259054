"""`fieldgate log dump|verify|stats IMAGE`: look into the flash log of an image or a box. Nothing is ever written."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, NoReturn
from xml.sax.saxutils import escape

import typer

from fieldgate import boxlog
from fieldgate.flashimage import Image, ImageError, Sector, forecast, rows

HELP = "Look into the flash log of an image or a box."
app = typer.Typer(no_args_is_help=True, help=HELP, pretty_exceptions_enable=False)
ImagePath = Annotated[
    str, typer.Argument(help="file with the bytes of the log's sectors, or the serial port of a box", metavar="IMAGE")
]

COLORS = {
    "blank": "#f4f5f7",
    "erased": "#d9eaf7",
    "old": "#b8c4ce",
    "unread": "#2f7fc1",
    "newest": "#2ca02c",
    "retired": "#c0392b",
    "unknown": "#f39c12",
}
LETTERS = {"blank": ".", "erased": "_", "old": "o", "unread": "#", "newest": "N", "retired": "X", "unknown": "?"}
MEANINGS = {
    "blank": "never used",
    "erased": "erased, ready",
    "old": "acknowledged",
    "unread": "holds records to send",
    "newest": "being written",
    "retired": "failed, out of use",
    "unknown": "torn erase or foreign",
}


def open_image(place: str) -> Image:
    try:
        if boxlog.is_port(place):
            print(f"reading the box at {place}: its program stops and starts again with the box", file=sys.stderr)
            return Image.parse(place, boxlog.fetch(place))
        return Image.open(Path(place))
    except (ImageError, boxlog.BoxError, OSError) as error:
        fail(str(error))


def fail(text: str) -> NoReturn:
    print(f"fieldgate log: {text}", file=sys.stderr)
    raise typer.Exit(2)


@app.command()
def dump(
    image: ImagePath,
    unread: Annotated[bool, typer.Option(help="only records that are not acknowledged")] = False,
) -> None:
    """Print every record, one line of JSON each, oldest first."""
    status = 0
    for frame in open_image(image).frames:
        if unread and frame.acknowledged:
            continue
        try:
            for row in rows(frame):
                print(json.dumps(row))
        except ValueError as error:
            print(f"fieldgate log: record {frame.number}: {error}", file=sys.stderr)
            status = 1
    raise typer.Exit(status)


@app.command()
def verify(image: ImagePath) -> None:
    """Check headers, frames, numbers and blocks; exit status 1 if anything is wrong."""
    log = open_image(image)
    problems = log.problems()
    for problem in problems:
        print(problem)
    torn = sum(sector.damaged_places for sector in log.sectors)
    records = sum(frame.records for frame in log.frames)
    print(
        f"{len(log.frames)} frames, {records} records readable, {len(problems)} problems; "
        f"{torn} places hold torn or damaged bytes (a power cut in a write leaves one)"
    )
    raise typer.Exit(1 if problems else 0)


@app.command()
def stats(
    image: ImagePath,
    svg: Annotated[Path | None, typer.Option(help="write the sector map as a picture to this file")] = None,
    records_per_s: Annotated[float | None, typer.Option(help="forecast for this load, not the measured one")] = None,
    record_bytes: Annotated[float, typer.Option(help="flash bytes per record for --records-per-s")] = 34.0,
) -> None:
    """Depth, counters, wear, sector map, and the forecast: years of wear and hours of outage."""
    log = open_image(image)
    sectors = log.sectors
    worn = [sector.erases for sector in sectors]
    counters = log.log.stats
    mean = sum(worn) / len(worn)
    print(f"log {log.log.log_id:08x}: {len(sectors)} sectors, {len(sectors) * 4} KiB")
    print(f"records: {log.end} written, {log.end - log.acknowledged} to send, {counters.dropped} dropped")
    print(f"last boot id: {log.log._boot}; sectors retired: {counters.retired}")
    print(f"erases per sector: mean {mean:.1f}, most {max(worn)}, total {sum(worn)}")
    for line in map_lines(sectors):
        print(line)
    for line in forecast_lines(log, mean, records_per_s, record_bytes):
        print(line)
    if svg is not None:
        svg.write_text(map_svg(sectors), encoding="utf-8")
        print(f"map written to {svg}")


def forecast_lines(log: Image, mean: float, records_per_s: float | None, record_bytes: float) -> list[str]:
    """The two numbers that whoever configures a box must see, or why they cannot be given."""
    count = len(log.sectors)
    if records_per_s is not None:
        load, bytes_per_s = f"{records_per_s:g} records/s of {record_bytes:g} B", records_per_s * record_bytes
    else:
        rate = log.rate()
        if rate.span_s < 1:
            return ["forecast: not enough records to tell the load; give --records-per-s"]
        load, bytes_per_s = f"{rate.records_per_s:.2f} records/s over {rate.span_s:.0f} s", rate.bytes_per_s
    years, hours = forecast(count, bytes_per_s, mean)
    outage = f"{hours:.1f} hours" if hours >= 2 else f"{hours * 60:.0f} minutes"
    return [
        f"load: {load}, {bytes_per_s:.1f} B/s of flash",
        f"forecast: {years:.1f} years of wear (100,000 erases per sector), room for {outage} without broker",
    ]


def map_lines(sectors: list[Sector], width: int = 64) -> list[str]:
    """The sector map as text, one letter per sector, with a legend of the letters used."""
    lines = []
    for start in range(0, len(sectors), width):
        lines.append(f"{start:5d} " + "".join(LETTERS[sector.state] for sector in sectors[start : start + width]))
    used = {sector.state for sector in sectors}
    lines.append("      " + ", ".join(f"{LETTERS[name]} {MEANINGS[name]}" for name in LETTERS if name in used))
    return lines


def map_svg(sectors: list[Sector], columns: int = 16) -> str:
    """The sector map as SVG: fill shows the state, the number is the age (0 = newest), the bar below is the wear."""
    size, gap, top = 44, 4, 8
    newest = max((sector.sequence for sector in sectors), default=0)
    most = max(1, *(sector.erases for sector in sectors))
    height = top + (len(sectors) + columns - 1) // columns * (size + gap) + 60
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{columns * (size + gap) + 8}" height="{height}" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for sector in sectors:
        x = 6 + sector.number % columns * (size + gap)
        y = top + sector.number // columns * (size + gap)
        age = str(newest - sector.sequence) if sector.sequence else ""
        title = f"sector {sector.number}: {MEANINGS[sector.state]}, erased {sector.erases} times, "
        title += f"{sector.frames} frames, {sector.records} records from {sector.first}"
        ink = "#ffffff" if sector.state in ("unread", "newest", "retired") else "#1f2933"
        edge = "#c0392b" if sector.damaged_places else "#8795a1"
        out += [
            f"<g><title>{escape(title)}</title>",
            f'<rect x="{x}" y="{y}" width="{size}" height="{size}" fill="{COLORS[sector.state]}" stroke="{edge}"/>',
            f'<text x="{x + size / 2}" y="{y + 25}" text-anchor="middle" fill="{ink}">{age}</text>',
            f'<rect x="{x + 2}" y="{y + size - 7}" width="{size - 4}" height="5" fill="#ffffff" opacity="0.6"/>',
            f'<rect x="{x + 2}" y="{y + size - 7}" width="{(size - 4) * sector.erases / most:.1f}" height="5" '
            'fill="#5b4a9e"/></g>',
        ]
    x, y = 6, height - 50
    for name, color in COLORS.items():
        if name == "retired":  # a second line
            x, y = 6, height - 34
        out.append(f'<rect x="{x}" y="{y}" width="10" height="10" fill="{color}" stroke="#8795a1"/>')
        out.append(f'<text x="{x + 14}" y="{y + 9}">{escape(MEANINGS[name])}</text>')
        x += 34 + 7 * len(MEANINGS[name])
    out.append(
        f'<text x="6" y="{height - 8}">number: age in sectors; bar: wear, full = {most} erases; '
        "red edge: torn or damaged bytes inside</text>"
    )
    out.append("</svg>")
    return "\n".join(out) + "\n"
