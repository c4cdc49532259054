"""TLS on the real rp2 firmware: how long each step of a handshake takes, and the memory of a session.

Virtual time: counted in instructions. The server runs in the same chip, between the client's steps. The certificates
are made in the run, the real-time clock is set by the port's own `set_utc_ms`: Mbed TLS judges dates by it.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from certificates import Authority
from device_files import BOARD, compiled
from pico import Pico

TIMEOUT_S = 1200
STEP_MS = 600  # issue: no step exceeds 0.6 s on an RP2040
OCCUPIED_BYTES = 60000  # beside the library and the server, in small pieces
MEMORY_BYTES = 32 * 1024
HOST = "broker.plant.example"


@pytest.mark.parametrize("kind,mutual", [("ec", False), ("ec", True), ("rsa", False)])
def test_handshake(uf2: Path, tmp_path: Path, kind: str, mutual: bool) -> None:
    files = compiled("uplink", "ports", scripts=("tls_runs",))
    ca = Authority(tmp_path, "test", kind)
    files[f"ca-{kind}.der"] = ca.pair.der.read_bytes()
    for name, pair in ((kind, ca.issue("server", [HOST], kind=kind)), (f"{kind}-box", ca.issue("box", [], kind=kind))):
        files[f"{name}.der"] = pair.der.read_bytes()
        files[f"{name}-key.der"] = pair.key_der.read_bytes()
    with Pico(uf2, BOARD, files) as pico:
        printed = pico.run(
            "import tls_runs\nfrom ports.rp2.clock import Clock\nclock = Clock()\n"
            f"clock.set_utc_ms({int(time.time()) * 1000 + 123})\n"
            f"assert 123 <= clock.utc_ms() % 1000 < 400\n"
            f"tls_runs.handshake({kind!r}, {mutual}, clock, {OCCUPIED_BYTES})"
        )
    steps, longest, total, kept, left, write256, write_most, read4 = (
        int(word) for word in printed.split("\n")[0].split()
    )
    print(
        f"REPORT: emulated RP2040, TLS handshake, {'RSA-2048' if kind == 'rsa' else 'P-256'}"
        f"{', client certificate' if mutual else ''}: {steps} steps above 2 ms, longest {longest // 1000} ms, all "
        f"{total // 1000} ms; a session keeps {kept} B, {left} B "
        f"after its close; record of 256 B {write256} us, of 704 B {write_most} us, reading a PUBACK {read4} us"
    )
    print(f"REPORT:   steps in ms: {' '.join(str(int(word) // 1000) for word in printed.splitlines()[1].split())}")
    assert longest < STEP_MS * 1000
    assert printed.splitlines()[2].split()[1:] == ["4", "704"]
    assert write_most < 5000, "other tasks work in slices of at most 5 ms"
    assert kept < MEMORY_BYTES and left < 6144
