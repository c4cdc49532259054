"""Where the project's files lie: in a checkout around this package, or beside its modules where pip installed it.

pyproject.toml packs the device's sources, the boards and the lists of tools/ as the folder `project`, so that the
commands of a pip install (Windows and macOS too) build, flash and deploy the same bytes as a checkout.
"""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent
PACKED = "project"  # by setup.py
CHECKOUT = not (_HERE / PACKED).is_dir()
ROOT = _HERE.parent.parent if CHECKOUT else _HERE / PACKED
# What commands make: in the checkout, or in the user's own folder.
BUILD = (ROOT if CHECKOUT else Path.cwd()) / "build"


def shown(path: Path, root: Path = ROOT) -> Path:
    """`path` as a user reads it: short below the current folder or `root`."""
    for folder in (Path.cwd(), root):
        if path.is_relative_to(folder):
            return path.relative_to(folder)
    return path
