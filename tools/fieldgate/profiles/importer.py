"""From a foreign file to a profile: which reader, what the addresses count from, what is lost on the way.

Promises: an address is never guessed: who calls says what the file's numbers mean, one of NOTATIONS. The profile is
"community" until somebody names a better source.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldgate.profiles import homeassistant, iobroker, sunspec, table, telegraf, thingsboard
from fieldgate.profiles.check import shown
from fieldgate.profiles.draft import Draft, Wanted, slug
from fieldgate.profiles.model import ProfileError, parse_json, read_text

READERS = {
    "iobroker": iobroker.read,
    "telegraf": telegraf.read,
    "thingsboard": thingsboard.read,
    "sunspec": sunspec.read,
    "homeassistant": homeassistant.read,
    "csv": table.read,
}
# What the numbers in the file count from.
NOTATIONS = {
    "zero": "the first register is 0 (PDU address, as on the wire)",
    "one": "the first register is 1 (as in many vendors' tables)",
    "modicon": "the first digit names the table: 40001 or 400001 is the first holding register",
}
TABLES = {0: 1, 1: 2, 3: 4, 4: 3}  # first digit in the notation 4xxxx -> function code


@dataclass(frozen=True)
class Names:
    """What the profile is called."""

    profile: str
    maker: str
    model: str
    source: str


def guess_format(path: Path, text: str) -> str:
    """The reader for a file, by its name and how it begins. Raises ProfileError."""
    suffix = path.suffix.lower()
    simple = {".tsv": "iobroker", ".toml": "telegraf", ".conf": "telegraf", ".yaml": "homeassistant",
              ".yml": "homeassistant", ".csv": "csv"}  # fmt: skip
    if suffix in simple:
        return simple[suffix]
    if suffix == ".json":
        tree = parse_json(text, str(path))
        return "sunspec" if isinstance(tree, dict) and "group" in tree else "thingsboard"
    raise ProfileError(f"{path}: name the format with --format: {', '.join(READERS)}")


def read(path: Path, format_name: str | None, wanted: Wanted) -> Draft:
    """The points of a foreign file. Raises ProfileError."""
    text = read_text(path)
    name = format_name or guess_format(path, text)
    if name not in READERS:
        raise ProfileError(f"--format: found {shown(name)}, allowed {', '.join(READERS)}")
    try:
        draft = READERS[name](text, wanted)
    except ProfileError as error:
        raise ProfileError(f"{path}: {error}") from None
    if not draft.points:
        raise ProfileError(f"{path}: no point could be mapped" + (f"; first: {draft.lost[0]}" if draft.lost else ""))
    return draft


def settle(draft: Draft, notation: str) -> None:
    """Turn the file's addresses into PDU addresses; what they cannot mean is lost."""
    settled = []
    for point in draft.points:
        fc, address = point["fc"], point["address"]
        if notation == "one":
            address -= 1
        elif notation == "modicon":
            digit, rest = divmod(address, 100000 if address > 65536 else 10000)
            fc, address = TABLES.get(digit), rest - 1
        if fc is not None and point["fc"] not in (None, fc):
            draft.lose(point["name"], f"address {point['address']} is of another table than fc {point['fc']}")
        elif fc is None:
            draft.lose(point["name"], f"address {point['address']}: which table is not said: --fc")
        elif not 0 <= address <= 65535:
            draft.lose(point["name"], f"address {point['address']}: there is none in notation {notation}")
        else:
            settled.append(point | {"fc": fc, "address": address})
    draft.points = settled


def build(draft: Draft, names: Names) -> dict[str, Any]:
    """The profile as a tree; `check` judges it."""
    functions = sorted({point["fc"] for point in draft.points})
    return {
        "format": 1,
        "profile": names.profile,
        "maker": names.maker,
        "model": names.model,
        "source": names.source,
        "confidence": "community",
        "serial": None,
        "unit_id": draft.unit_id if draft.unit_id and 1 <= draft.unit_id <= 247 else None,
        "identity": None,
        "probe": None,
        "unit": {"max_registers": 60, "max_gap": draft.max_gap, "functions": functions},
        "points": sorted(draft.points, key=lambda point: (point["fc"], point["address"])),
    }


def profile_name(path: Path) -> str:
    """A profile's name from the name of a file."""
    return slug(path.stem) or "imported"
