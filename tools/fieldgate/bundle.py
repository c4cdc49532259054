"""Packs the compiled modules of a board into one file: firmware/bundle.py reads it and says what it looks like.

Promises: the same files give the same bytes; `unpack` gives back what was packed. boot.py, main.py, board.py and what
is no module stay files of their own: people change them by hand.
"""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import chain
from pathlib import PurePosixPath

from fieldgate import names

NAME = "code.mpys"
PORTS = ("rp2", "esp32")  # where blocks and time are scarce; elsewhere modules are files
LOADER = "bundle.mpy"
_BRIEF_PACKAGES = ("console", "umodbus")
# Loaded by every box too, from within functions.
_USUAL = ("gateway/lamp", "gateway/vitals", "modbus/native", "ports/", "umodbus/", "uplink/")
_UNUSUAL = ("spi_nor", "sparkplug", "typed", "tls", "resolver", "sntp", "listening", "wired", "scan")
_EMPTY_BYTES = 40  # an __init__ that holds nothing: MicroPython does without


def bundled(port: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """The files of a board's tree as they lie on the box."""
    if port not in PORTS:
        return files
    modules = {place: content for place, content in files.items() if place.endswith(".mpy") and place != LOADER}
    others = {place: content for place, content in files.items() if place not in modules}
    if port == "rp2":
        usual = [names.of_module(content) for place, content in modules.items() if place in _usual_places()]
        others[names.NAME] = names.pack(chain.from_iterable(usual))
    return {**others, NAME: pack(modules)}


def pack(modules: dict[str, bytes]) -> bytes:
    """One file of all, but of packages without content."""
    modules = {
        place: modules[place]
        for place in sorted(modules, key=lambda place: (_is_brief(place), place))
        if not (place.endswith("/__init__.mpy") and len(modules[place]) <= _EMPTY_BYTES)
    }
    folders = sorted({f"/{parent}" for place in modules for parent in PurePosixPath(place).parents} - {"/."})
    index: dict[str, int] = {}
    text = ""
    brief = 0
    for _ in range(3):  # until the length of the offsets is known
        at = 16 + len(text)
        brief = 0
        index = dict.fromkeys(folders, 0)
        for place, content in modules.items():
            if _is_brief(place) and not brief:
                brief = at
            index["/" + place] = at
            at += len(content)
        text = json.dumps(index, separators=(",", ":"))
    return f"{brief or at:08x}{len(text):08x}{text}".encode() + b"".join(modules.values())


def _is_brief(place: str) -> bool:
    """True for what is in memory for a moment only: it lies behind the others, which run from flash."""
    module = place.removesuffix(".mpy").replace("/", ".")
    return module in _brief_modules() or module.split(".")[0] in _BRIEF_PACKAGES


@cache
def _usual_places() -> frozenset[str]:
    """What every box loads, at the start or for good: its names are worth their six bytes of heap."""
    from fieldgate import size_report  # loads the compiler, which unpacking does without

    kinds = size_report.kinds("RPI_PICO_W")
    usual = {place for place, kind in kinds.items() if kind != "on demand" or place.startswith(_USUAL)}
    usual = {place for place in usual if not any(word in place for word in _UNUSUAL)}
    return frozenset(usual - {name.replace(".", "/") + ".mpy" for name in size_report.FEATURE_STARTERS})


@cache
def _brief_modules() -> frozenset[str]:
    from fieldgate import device_build  # the same

    text = (device_build.ROOT / "firmware" / "gateway" / "unload.py").read_text()
    return frozenset(re.findall(r"[a-z]+(?:\.[a-z_0-9]+)*", re.findall(r"_STARTERS = \(([^)]*)\)", text)[0]))


def unpack(content: bytes) -> dict[str, bytes]:
    """What `pack` packed."""
    index = json.loads(content[16 : 16 + int(content[8:16], 16)])
    places = [(place[1:], at) for place, at in index.items() if at]
    ends = [at for _, at in places[1:]] + [len(content)]
    return {place: content[at:end] for (place, at), end in zip(places, ends)}
