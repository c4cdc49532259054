"""The ports are checked against the published type stubs of MicroPython's boards, and a mutant shows that they are."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
STUBS = ROOT / "build" / "stubs"
# Where the stubs do not say what MicroPython's sources do.
KNOWN = {
    # Stubs are published for the Pico W only; the class is in the images of the WIZnet boards.
    'firmware/ports/rp2/net.py: error: Module has no attribute "WIZNET5K"',
    # The stubs know `period` and `tick_hz` only one without the other; ports/rp2/machine_timer.c takes both.
    'firmware/ports/rp2/uart_rs485.py: error: No overload variant of "init" of "Timer" matches argument types "int", '
    '"Any", "int", "Callable[[Any], Any]", "bool"',
}
SHARED = ("stdio.py", "prompt.py", "sockets.py", "listening.py", "wifi.py", "wifi_scan.py", "wired.py")


def complaints(root: Path, port: str, cache: Path) -> set[str]:
    """What mypy says of firmware/ports/<port> and the shared files; the stubs' own mistakes are left out."""
    if not (STUBS / port).is_dir():
        pytest.fail("the type stubs are missing: run `make setup-test`", pytrace=False)
    command = [sys.executable, "-m", "mypy", "--config-file", "", "--python-version", "3.12", "--no-site-packages"]
    command += ["--custom-typeshed-dir", str(STUBS / port), "--cache-dir", str(cache), "--check-untyped-defs"]
    # A method that an instance replaces by a bound function saves 25 us a call; None means "not set yet".
    command += ["--explicit-package-bases", "--disable-error-code", "method-assign", "--no-strict-optional"]
    command += ["--hide-error-context", "--no-error-summary", "--follow-imports", "silent"]
    paths = [f"firmware/ports/{port}", *(f"firmware/ports/{name}" for name in SHARED)]
    environment = {"MYPYPATH": f"{STUBS / port}:firmware:lib", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [*command, *paths], cwd=root, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert "firmware" not in done.stderr and "usage:" not in done.stderr, done.stderr
    found = set()
    for line in done.stdout.splitlines():
        if line.startswith("firmware/") and " error: " in line:
            place, _, text = line.partition(" error: ")
            found.add(f"{place.split(':')[0]}: error: {text.rsplit('  [', 1)[0]}")
    return found


@pytest.mark.parametrize("port", ["esp32", "rp2"])
def test_the_ports_call_what_micropython_has(port: str, tmp_path: Path) -> None:
    assert complaints(ROOT, port, tmp_path) - KNOWN == set()


def test_a_call_that_no_board_has_is_found(tmp_path: Path) -> None:
    for part in ("firmware/ports", "lib"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "firmware" / "ports" / "esp32" / "uart_rs485.py"
    text = path.read_text()
    path.write_text(text.replace("txbuf=_TX_BYTES", "tx_buffer=_TX_BYTES").replace("Pin.OUT", "Pin.OUTPUT"))
    found = complaints(tmp_path, "esp32", tmp_path / "cache")
    assert any("OUTPUT" in line for line in found), found
    assert len(found) >= 2, "the unknown keyword of UART"
