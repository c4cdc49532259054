"""What a profile is on the host: its file, its words, the types of points and how wide they are.

Promises: a file that cannot be used is one ProfileError of one line "where: what was found, what is allowed".
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from fieldgate.places import ROOT

FOLDER = ROOT / "firmware" / "profiles"
FRAMES = "frames.jsonl"
MAX_FILE_BYTES = 1 << 20
# Registers of each type; strings say their bytes: "string8".
WORDS = {
    "uint16": 1, "int16": 1, "bcd16": 1, "uint32": 2, "int32": 2, "float32": 2, "bcd32": 2,
    "uint64": 4, "int64": 4, "float64": 4,
}  # fmt: skip
MAX_STRING_BYTES = 120
ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")
CONFIDENCES = ("verified", "cross-checked", "documented", "community")


class ProfileError(Exception):
    """Its text is the one line that the user sees."""


def words_of(type_name: object) -> int | None:
    """Registers (a bool: bits) that a value of this type takes; None: there is no such type."""
    if not isinstance(type_name, str):
        return None
    if type_name == "bool":
        return 1
    text = re.fullmatch(r"string([1-9][0-9]{0,2})", type_name)
    if text:
        size_bytes = int(text.group(1))
        return size_bytes // 2 if size_bytes % 2 == 0 and size_bytes <= MAX_STRING_BYTES else None
    return WORDS.get(type_name)


def read_text(path: Path) -> str:
    """The file as text. Raises ProfileError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ProfileError(f"{path}: {error.strerror}") from None
    if len(content) > MAX_FILE_BYTES:
        raise ProfileError(f"{path}: found more than {MAX_FILE_BYTES} bytes, allowed at most that")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProfileError(f"{path}: byte {error.start} is no UTF-8 text") from None


def parse_json(text: str, where: str) -> Any:
    """JSON as Python objects. Raises ProfileError."""
    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise ProfileError(f"{where}: line {error.lineno}: not valid JSON: {error.msg}") from None
    except ValueError as error:
        raise ProfileError(f"{where}: not valid JSON: {error}") from None
    except RecursionError:
        raise ProfileError(f"{where}: nested too deeply") from None


def refuse(word: str) -> Any:
    raise ValueError(f"found {word}")


def load(path: Path) -> dict[str, Any]:
    """A profile as it stands in its file, not checked. Raises ProfileError."""
    tree = parse_json(read_text(path), str(path))
    if not isinstance(tree, dict):
        raise ProfileError(f"{path}: found no object, a profile is one")
    return tree


def find(name: str) -> Path:
    """A profile's file by its path, or by the name of one that Fieldgate brings. Raises ProfileError."""
    path = Path(name)
    if name.endswith(".json"):
        return path
    path = FOLDER / f"{name}.json"
    if not re.fullmatch(r"[a-z0-9_-]+", name) or not path.is_file():
        raise ProfileError(f"{name}: no such profile; `fieldgate profile list` names them, a file's name ends in .json")
    return path


def own_profiles() -> list[Path]:
    """Files of the profiles that Fieldgate brings."""
    return sorted(FOLDER.glob("*.json"))


def frames_of(path: Path) -> list[dict[str, Any]]:
    """Example frames of the profile in file `path`, from frames.jsonl beside it. Raises ProfileError."""
    beside = path.parent / FRAMES
    if not beside.is_file():
        return []
    lines = [line for line in read_text(beside).splitlines() if line.strip()]
    frames = [parse_json(line, f"{beside}: frame {number}") for number, line in enumerate(lines, 1)]
    return [frame for frame in frames if isinstance(frame, dict) and frame.get("profile") == path.stem]


def render(profile: dict[str, Any]) -> str:
    """A profile as the text of its file: one point per line."""
    head = {key: value for key, value in profile.items() if key not in ("unit", "probe", "points")}
    lines = ["{" + json.dumps(head, ensure_ascii=False)[1:-1] + ","]
    for key in ("probe", "unit"):
        lines.append(f' "{key}": {json.dumps(profile.get(key), ensure_ascii=False)},')
    points = [json.dumps(point, ensure_ascii=False) for point in profile["points"]]
    return "\n".join([*lines, ' "points": [', "  " + ",\n  ".join(points) + "]}"]) + "\n"
