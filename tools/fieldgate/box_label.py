"""The label of a box: who it is, where it belongs, its passwords, what its LED says. As text and as SVG (70 x 50 mm).

It is the only place besides the report where a password stands: stick it where only those come who may use it.
"""

from __future__ import annotations

import ast
from pathlib import Path
from xml.sax.saxutils import escape

LED_TABLE = Path(__file__).resolve().parents[2] / "firmware" / "console" / "led.py"
WIDTH_MM, HEIGHT_MM = 70, 50
_MARGIN_MM = 3.0
_LARGEST_MM = 4.2
_ADVANCE = 0.62  # width of a character of a monospace font, per height


def led_codes() -> list[str]:
    """What the LED's blinks mean, from the table behind the console's `led`."""
    for node in ast.parse(LED_TABLE.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CODES":
            return list(ast.literal_eval(node.value))
    raise ValueError(f"{LED_TABLE}: found no table CODES")


def rows(box: str, serial: str, base: str, passwords: dict[str, str]) -> list[tuple[float, str]]:
    """(size relative to the largest, text) of each line; "" leaves half a line free."""
    found: list[tuple[float, str]] = [(1.0, f"Fieldgate {box}"), (0.7, f"serial {serial}"), (0.55, base), (0.3, "")]
    found += [(0.75, f"{role:<7}{password}") for role, password in passwords.items()]
    found += [(0.3, "")] + [(0.55, f"LED {meaning}") for meaning in led_codes()]
    return [*found, (0.55, "console: 115200 8N1, press Enter, type help")]


def text(box: str, serial: str, base: str, passwords: dict[str, str]) -> str:
    """For a label printer that takes plain text, and for the file beside the report."""
    return "".join(line + "\n" for _, line in rows(box, serial, base, passwords))


def svg(box: str, serial: str, base: str, passwords: dict[str, str]) -> str:
    """The same in millimetres; a line that would be too wide is set smaller, so that all of it stays inside."""
    room = WIDTH_MM - 2 * _MARGIN_MM
    lines = rows(box, serial, base, passwords)
    total = sum(scale for scale, _ in lines) * _LARGEST_MM * 1.35
    largest = _LARGEST_MM * min(1.0, (HEIGHT_MM - 2 * _MARGIN_MM) / total)
    at = _MARGIN_MM
    drawn = []
    for scale, line in lines:
        at += scale * largest * 1.35
        if not line:
            continue
        size = min(scale * largest, room / (_ADVANCE * len(line)))
        drawn.append(
            f'<text x="{_MARGIN_MM:.2f}" y="{at:.2f}" font-size="{size:.2f}" xml:space="preserve">{escape(line)}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_MM}mm" height="{HEIGHT_MM}mm"'
        f' viewBox="0 0 {WIDTH_MM} {HEIGHT_MM}" font-family="monospace">\n'
        f'<rect x="0.2" y="0.2" width="{WIDTH_MM - 0.4}" height="{HEIGHT_MM - 0.4}" fill="none" stroke="black"'
        f' stroke-width="0.2"/>\n' + "\n".join(drawn) + "\n</svg>\n"
    )
