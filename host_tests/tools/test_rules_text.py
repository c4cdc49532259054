"""Rules for the text of all files that git knows: nothing of one machine or one package host, true README commands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# Written in pieces, as this file is searched, too.
FOREIGN = {
    "a package registry's host": "pythonho" + r"sted\.org|pyp" + r"i\.org|npmj" + r"s\.(?:org|com)|deb\.deb" + "ian",
    "a path of one machine": r"(?<![\w.])/(?:wo" + r"rk|ho" + r"me/\w+|ro" + r"ot|Use" + r"rs/\w+)/",
}


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file()]


def foreign_text(text: str) -> list[str]:
    """One line per place where the text names what it must not."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        found += [f"line {number}: {what}" for what, pattern in FOREIGN.items() if re.search(pattern, line)]
    return found


def make_targets(makefile: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9-]+):", makefile, flags=re.MULTILINE))


def named_commands(text: str) -> set[str]:
    """The targets of every `make x` that stands in code of a Markdown text."""
    code = re.findall(r"```.*?```|`[^`\n]+`", text, flags=re.DOTALL)
    return {target for piece in code for target in re.findall(r"(?:^|[`\s$])make ([a-z0-9-]+)", piece)}


def test_no_file_names_a_registry_or_a_machine() -> None:
    found = []
    for path in tracked_files():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue  # a picture
        found += [f"{path.relative_to(ROOT)}: {problem}" for problem in foreign_text(text)]
    assert not found, "\n".join(found)


def test_the_commands_that_the_pages_name_exist() -> None:
    targets = make_targets((ROOT / "Makefile").read_text())
    pages = [path for path in tracked_files() if path.suffix == ".md"]
    assert pages
    missing = {f"{page.name}: make {name}" for page in pages for name in named_commands(page.read_text()) - targets}
    assert not missing, missing


def test_every_target_that_help_lists_is_one_line() -> None:
    make = ["make", "--no-print-directory"]
    shown = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in shown.splitlines() if not line.startswith("Options:")]
    assert {"demo", "test", "help"} <= {words[1] for words in lines}
    assert all(words[0] == "make" and len(words) > 3 for words in lines)


def test_the_rules_catch() -> None:
    assert foreign_text("see https://pyp" + "i.org/simple") and foreign_text("open('/wo" + "rk/main/x')")
    assert foreign_text("cd /ho" + "me/anna/fieldgate") and not foreign_text("lib/wor" + "k/x and /dev/tty0 and /tmp")
    assert named_commands("Run `make demo SECONDS=60`\n```\n$ make tests\n```\nmake sure") == {"demo", "tests"}
    assert make_targets("demo: setup ## x\n\ttest: no\n") == {"demo"}
