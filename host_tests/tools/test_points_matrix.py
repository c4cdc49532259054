"""Types x orders against pymodbus and struct: the device's code on MicroPython, judged on the host, 0 differences.

And no value on its way out of the box is ever a float: every variable of the code on that way is watched.
"""

from __future__ import annotations

import json
import random
import sys
from types import FrameType
from typing import Any

import pytest

import points_matrix
from clock import Clock
from flashlog.columns import plan_of
from flashlog.records import Block, BlockBuilder
from flashlog.workspace import Workspace
from gateway.latest import Latest
from points import exact, numbers
from uplink.envelope import BatchEncoder
from uplink.points import layout_of
from uplink.typed import TypedEncoder

VALUES = 20_000

# What a mistake would look like, as code that runs on the device first: each must show.
MUTANTS = {
    "orders confused": "from points import numbers; numbers.ORDERS = ('ABCD', 'CDAB', 'BADC', 'DCBA')",
    "a counter through a float": "from points import exact; whole = exact.whole\n"
                                 "exact.whole = lambda k, w: (lambda n: n and int(float(n)))(whole(k, w))",
    "payload's columns swapped": "from points import parts; cut = parts._parts\n"
                                 "parts._parts = lambda p: cut(p)[::-1] if p['type'] == 'uint64' else cut(p)",
    "patterns forgotten": "from gateway import meaning; meaning._patterns = lambda point: ''",
    "limits forgotten": "from gateway import meaning; meaning._beyond = lambda k, e, limit: 0",
    "a digit too many": "from points import exact; fewest = exact.fewest\n"
                        "exact.fewest = lambda m, s, g, p: (lambda k, e: (k * 10 + 1, e - 1))(*fewest(m, s, g, p))",
}  # fmt: skip


def test_all_types_in_all_orders() -> None:
    compared, differences = points_matrix.run(1, VALUES)
    print(f"REPORT: type x order matrix: {compared:,} values of {len(points_matrix.TYPES) + 1} types in 4 orders, on "
          f"MicroPython, against pymodbus and struct: {len(differences)} differences")  # fmt: skip
    assert compared >= VALUES and not differences, "\n".join(differences[:10])


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_the_matrix_sees_mistakes(mutant: str) -> None:
    _, differences = points_matrix.run(2, 3000, mutant)
    assert differences


class Watch:
    """Trace function: notes every float among the variables and results of the functions of the device's code."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.lines = 0

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        path = frame.f_code.co_filename
        if "/lib/points/" not in path and "/lib/uplink/" not in path and "/lib/flashlog/" not in path:
            if "/firmware/gateway/" not in path:
                return None
        self.lines += 1
        for name, value in frame.f_locals.items():
            self._look(f"{frame.f_code.co_name}.{name}", value)
        if event == "return":
            self._look(f"{frame.f_code.co_name}()", argument)
        return self

    def _look(self, where: str, value: Any) -> None:
        items = value if isinstance(value, (tuple, list)) else (value,)
        if any(isinstance(item, float) for item in items):
            self.found.add(where)


def way_out(case: points_matrix.Case) -> None:
    """What happens to the case's reads between the bus and the broker: flash log, both payloads, latest."""
    clock = Clock(utc_ms=1795312800000)
    usual = {"bus": "line1", "unit": "meter", "unit_id": 1, "fc": 1 if case.kind == "bool" else 3, "group": 0}
    meta = {"schema": "61626364", "count": (384 if case.kind == "bool" else 24), "points": case.group, **usual}
    latest = Latest([json.dumps(meta)])
    layouts = {0: layout_of(case.group)}
    encoders = BatchEncoder(1, 8192, 64), TypedEncoder(1, 8192, 64)
    for encoder in encoders:
        encoder.begin(1, b"abcd", layouts, 0, 0, 0)
    work = Workspace()
    wide = case.kind in ("uint32", "int32", "float32", "bcd32")
    order = points_matrix.ORDERS.index(case.order)
    work.plans[0] = plan_of(48, [(2 * case.point["at"], order, case.kind == "float32")] if wide else [])
    block = BlockBuilder(480, work)
    block.reset(1, b"abcd", 0, 0)
    kept = []
    for i, (row, _, _) in enumerate(case.reads):
        latest.note(0, 0, clock.ticks_ms(), row, len(row))
        text = "".join(latest.pieces(0, clock))
        assert '"values":{' in text
        for encoder in encoders:
            assert encoder.sample(0, 0, 0, i, row)
        if block.sample(0, 0, i, row, len(row)):
            kept.append(row)
    assert [bytes(record[5]) for record in Block(block.payload())] == kept
    for encoder in encoders:
        encoder.finish(None)


def watched(kinds: list[str], reads: int = 3) -> Watch:
    rand = random.Random(7)
    cases = [points_matrix.Case(rand, kind, order, reads) for kind in kinds for order in points_matrix.ORDERS]
    watch = Watch()
    before = sys.gettrace()
    sys.settrace(watch)
    try:
        for case in cases:
            way_out(case)
    finally:
        sys.settrace(before)
    return watch


def test_no_value_passes_through_a_float() -> None:
    watch = watched([*points_matrix.TYPES, "bool"])
    print(f"REPORT: floats on the way from bus to broker: {len(watch.found)} in {watch.lines:,} watched steps")
    assert watch.lines > 100_000 and not watch.found, watch.found


def test_a_float_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = exact.whole
    monkeypatch.setattr(exact, "whole", lambda kind, word: (lambda k: k and float(k))(whole(kind, word)))
    assert any("decimal" in where for where in watched(["uint64"], 4).found)


def test_numbers_for_comparing_are_floats_for_floats_only() -> None:
    for kind in points_matrix.TYPES:
        found = numbers.number(numbers.kind_of({"type": kind}), bytes(30), 0)
        assert isinstance(found, float) == (kind in ("float32", "float64")) and (found is None) == ("string" in kind)
