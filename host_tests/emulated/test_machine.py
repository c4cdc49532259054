"""The machine model on the real rp2 firmware: what a sample of ten registers costs, and the step of each second."""

from __future__ import annotations

from pathlib import Path

from device_files import BOARD, compiled
from pico import Pico

TIMEOUT_S = 900
CYCLE_US = 6600  # one transaction of ten registers at 115200 baud


def test_cost_of_a_sample_of_ten_registers(uf2: Path) -> None:
    files = compiled("flashlog", "modbus", "points", "production", "uplink", "gateway", scripts=("machine_runs",))
    with Pico(uf2, BOARD, files) as pico:
        pico.run("import gc\ngc.threshold(8192)\nimport machine_runs")
        for what, words in (
            ("steady", "nothing changes"),
            ("counters", "two counters move"),
            ("states", "the state changes, two counters move"),
        ):
            sample, step = (line.split() for line in pico.run(f"machine_runs.cost({what!r})").splitlines())
            print(
                f"REPORT: emulated RP2040, machine, {words}: sample {sample[0]} us (worst {sample[1]} us), {sample[2]} "
                f"bytes of garbage; step {step[0]} us (worst {step[1]} us), {step[2]} bytes of garbage"
            )
            assert int(sample[1]) < CYCLE_US  # virtual time: counted in instructions
