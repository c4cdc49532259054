"""The end-to-end suite against a real board: `make test-board BOARD=... PORT=... ADAPTER=...`, see README.md here."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from bench import Bench, asked_for  # noqa: E402  (its folder is on the path only now)

from fieldgate import board_data, flash_port  # noqa: E402
from fieldgate.broker import Broker  # noqa: E402
from fieldgate.summary import report  # noqa: E402

TIMEOUT_S = 600
WAIT_S = 90.0
REPORTS = board_data.ROOT / "build" / "bench"


@pytest.fixture
def bench(tmp_path: Path, start_broker: Callable[..., Broker]) -> Iterator[Bench]:
    asked = asked_for()
    if asked is None:
        pytest.skip("not run: no board (make test-board BOARD=name PORT=port ADAPTER=port)")
    port = int(os.environ.get("BROKER_PORT", "1883"))
    with Bench(tmp_path / "run", start_broker(), asked["ADAPTER"], port) as bench:
        bench.start()
        bench.wait(lambda: bench.samples > 0, "the first sample of the board", WAIT_S)
        yield bench


def write_report(name: str, bench: Bench, lines: list[str]) -> None:
    """One file per board; each test adds its part."""
    asked = asked_for()
    assert asked is not None
    REPORTS.mkdir(parents=True, exist_ok=True)
    path = REPORTS / f"{asked['BOARD']}.json"
    content = json.loads(path.read_text()) if path.is_file() else {}
    content |= {"board": asked["BOARD"], "chip": board_data.read(asked["BOARD"]).facts["chip"]}
    content[name] = {"samples": bench.samples, "balance": lines, "events": bench.events()}
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(f"REPORT: bench {asked['BOARD']}, {name}: {bench.samples} samples, report in {path}")


def test_every_sample_arrives_once_and_unchanged(bench: Bench) -> None:
    end = time.monotonic() + float(os.environ.get("SECONDS_ON_BENCH", "60"))
    bench.wait(lambda: time.monotonic() > end, "the time to pass", 3600)
    balance = bench.balance(WAIT_S)
    write_report("delivery", bench, report(balance))
    assert balance.ok, report(balance)


def test_an_outage_of_the_broker_costs_nothing(bench: Bench) -> None:
    bench.relay.close_for_now()
    end = time.monotonic() + 20
    bench.wait(lambda: time.monotonic() > end, "the outage to pass", 60)
    bench.relay.open_again()
    before = bench.samples
    bench.wait(lambda: bench.samples > before + 50, "the board is back at the broker", WAIT_S)
    balance = bench.balance(WAIT_S)
    write_report("outage", bench, report(balance))
    assert balance.ok, report(balance)


def test_a_reset_loses_at_most_one_block(bench: Bench) -> None:
    from fieldgate import deploy
    from fieldgate.monitor.client import utc_ms

    asked = asked_for()
    assert asked is not None
    bench.kills_ms.append(utc_ms())
    deploy.stop_program(asked["PORT"], board_data.read(asked["BOARD"]).port == "esp32", print)
    deploy.Box(asked["PORT"]).call("reset")
    box, _ = flash_port.wait_for_box(asked["PORT"], 60)
    bench.kills_ms.append(utc_ms())
    before = bench.samples
    bench.wait(lambda: bench.samples > before + 50, "the board polls again", WAIT_S)
    balance = bench.balance(WAIT_S)
    write_report("reset", bench, [*report(balance), f"box {box}"])
    assert balance.ok, report(balance)
