"""`fieldgate glossary`: the terms and codes as a box publishes them, for people.

Promises: firmware/gateway/glossary.jsonl is the only source; GLOSSARY.md is what `markdown` makes of it, which a test
compares. The box publishes the same lines.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from fieldgate.places import ROOT

SOURCE = ROOT / "firmware" / "gateway" / "glossary.jsonl"
PAGE = ROOT / "GLOSSARY.md"
PARTS = {
    "data": "Data",
    "time": "Time",
    "bus": "Bus",
    "faults": "Faults",
    "machine": "Machine",
    "gateway": "Gateway",
}
KEYS = ("term", "part", "definition", "unit", "source")
_HEAD = """# Glossary

What the words and codes mean that a Fieldgate box publishes. Programs get the same from the broker: the codes in the
retained `<base>/glossary`, each term in the retained `<base>/glossary/<term>`. `fieldgate glossary --write` makes this
page from `firmware/gateway/glossary.jsonl`; "Fieldgate" as the source of a term means that it is defined here.
"""


def load() -> tuple[dict[str, Any], list[dict[str, str]]]:
    """(codes, terms). Raises ValueError for a line that is not of the form."""
    lines = SOURCE.read_text(encoding="ascii").splitlines()
    codes, *terms = [json.loads(line) for line in lines]
    for number, (line, term) in enumerate(zip(lines[1:], terms), 2):
        if tuple(term) != KEYS or term["part"] not in PARTS or not line.startswith('{"term":"'):
            raise ValueError(f"{SOURCE.name}: line {number}: keys must be {', '.join(KEYS)}, part one of {list(PARTS)}")
    return codes, terms


def markdown() -> str:
    """The whole of GLOSSARY.md."""
    codes, terms = load()
    page = [_HEAD]
    for part, title in PARTS.items():
        page += [f"## {title}\n", "| term | meaning | unit | source |", "|---|---|---|---|"]
        page += [
            f"| `{term['term']}` | {term['definition']} | {term['unit']} | {term['source']} |"
            for term in terms
            if term["part"] == part
        ]
        page.append("")
    for kind, title in (("quality", "Quality codes"), ("event", "Event codes")):
        page += [f"## {title}\n", "| code | name |", "|---|---|"]
        page += [f"| {code} | `{name}` |" for code, name in codes[kind].items()]
        page.append("")
    return "\n".join(page)


def glossary(
    word: Annotated[str, typer.Argument(help="A term, a code's name or a part of one; all when left out.")] = "",
    write: Annotated[bool, typer.Option("--write", help="Write GLOSSARY.md instead.")] = False,
) -> None:
    """Print the glossary, or look a word up."""
    if write:
        PAGE.write_text(markdown())
        return
    codes, terms = load()
    wanted = word.lower().replace(" ", "_")
    found = False
    for term in terms:
        if wanted in term["term"]:
            found = True
            unit = f" [{term['unit']}]" if term["unit"] else ""
            print(f"{term['term']}{unit}: {term['definition']} ({term['source']})")
    for kind in ("quality", "event"):
        for code, name in codes[kind].items():
            if wanted in name:
                found = True
                print(f"{kind} {code}: {name}")
    if not found:
        print(f"{word}: not in the glossary; without a word all of it is printed", file=sys.stderr)
        raise typer.Exit(1)
