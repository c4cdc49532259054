"""`fieldgate log dump|verify|stats`: on images that the device's own code wrote, whole, rotten, blank and foreign."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

import old_log
from fieldgate import flashimage, log_cli
from fieldgate.flashimage import forecast
from flashlog.log import FlashLog
from flashlog.records import SAMPLE, BlockBuilder
from nor import Nor

SCHEMA = b"\xa1\xb2\xc3\xd4"


def write_log(nor: Nor, boots: int = 2, blocks: int = 40) -> int:
    """Some boots of 1 sample each second in blocks of 8 and an event; half of it acknowledged. Returns records."""
    count = 0
    for _ in range(boots):
        log = FlashLog(nor, entropy=b"\x01\x02\x03\x04")
        log.mount()
        boot = log.begin_boot()
        builder = BlockBuilder(480)
        ticks = 5000
        for number in range(blocks):
            builder.reset(boot, SCHEMA, 1, ticks)
            for _ in range(8):
                ticks += 1000
                assert builder.sample(3, 0, ticks, struct.pack(">4f", number, 1, 2, 3), 16)
            assert builder.event(2, ticks, number, -1)
            assert builder.time_mark(ticks, 1_700_000_000_000 + ticks)
            log.append(builder.payload(), builder.records)
            count += builder.records
            log.idle()
            if number % 2:
                log.read()
                log.ack(log.position())
    return count


@pytest.fixture
def nor() -> Nor:
    flash = Nor(8)
    write_log(flash)
    return flash


def run(tmp_path: Path, content: bytes, *words: str) -> tuple[int, str]:
    image = tmp_path / "flash.img"
    image.write_bytes(content)
    result = CliRunner().invoke(log_cli.app, [words[0], str(image), *words[1:]])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert image.read_bytes() == content
    return result.exit_code, result.output


def test_dump_prints_every_record(nor: Nor, tmp_path: Path) -> None:
    status, text = run(tmp_path, bytes(nor.memory), "dump")
    rows = [json.loads(line) for line in text.splitlines()]
    assert status == 0 and [row["seq"] for row in rows] == list(range(800))
    assert rows[0] == {
        "seq": 0,
        "acked": True,
        "boot": 1,
        "schema": "a1b2c3d4",
        "uptime_ms": (1 << 30) + 6000,
        "kind": "sample",
        "group": 3,
        "quality": 0,
        "data": struct.pack(">4f", 0, 1, 2, 3).hex(),
    }
    assert rows[-2]["what"] == [39, -1] and rows[-1]["kind"] == "time" and rows[-1]["boot"] == 2
    status, text = run(tmp_path, bytes(nor.memory), "dump", "--unread")
    unread = [json.loads(line)["seq"] for line in text.splitlines()]
    assert unread == list(range(unread[0], 800)) and 0 < unread[0] < 800


def test_verify_passes_and_names_damage(nor: Nor, tmp_path: Path) -> None:
    status, text = run(tmp_path, bytes(nor.memory), "verify")
    assert (status, text.splitlines()[-1].split(";")[0]) == (0, "80 frames, 800 records readable, 0 problems")
    image = flashimage.Image.open(tmp_path / "flash.img")
    hit = image.frames[20]
    nor.rot(hit.sector, hit.offset + 30, 2)
    nor.rot(1, 90, 0)
    status, text = run(tmp_path, bytes(nor.memory), "verify")
    assert status == 1
    assert f"records {hit.number}..{hit.number + 9} are missing (acknowledged)" in text
    assert "sector 1: copy of the open record is damaged" in text


def test_stats_and_map(nor: Nor, tmp_path: Path) -> None:
    picture = tmp_path / "map.svg"
    status, text = run(tmp_path, bytes(nor.memory), "stats", "--svg", str(picture))
    assert status == 0 and "log 04030201: 8 sectors, 32 KiB" in text
    assert "records: 800 written" in text and "forecast:" in text and "N being written" in text
    tree = ElementTree.fromstring(picture.read_text(encoding="utf-8"))
    titles = [element.text for element in tree.iter("{http://www.w3.org/2000/svg}title")]
    assert len(titles) == 8 and sum("being written" in (title or "") for title in titles) == 1


def test_forecast_agrees_with_the_reference_figures() -> None:
    """10 records of 32 B a second, 8 a frame (34 B of flash each): 352 sectors 12.7 years; 128: 4.6 years, 24 min."""
    years, _ = forecast(352, 340)
    assert 12.4 < years < 13.0
    years, hours = forecast(128, 340)
    assert 4.5 < years < 4.8 and 23 < hours * 60 < 25


def test_measured_rate(nor: Nor, tmp_path: Path) -> None:
    run(tmp_path, bytes(nor.memory), "verify")
    rate = flashimage.Image.open(tmp_path / "flash.img").rate()
    assert rate.span_s == pytest.approx(2 * 319)
    assert rate.records_per_s == pytest.approx(800 / 638)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\xff" * 32768, "blank flash"),
        (b"\x5a" * 32768, "not blank and holds no log"),
        (b"\xff" * 5000, "not a whole number"),
    ],
)
def test_what_is_no_log_gets_one_line(tmp_path: Path, content: bytes, text: str) -> None:
    status, output = run(tmp_path, content, "stats")
    assert status == 2 and text in output and output.count("\n") == 1


def test_cut_in_the_first_format_gets_one_line(tmp_path: Path) -> None:
    nor = Nor(8)
    nor.program(7, 0, b"Fieldgate format")
    status, output = run(tmp_path, bytes(nor.memory), "stats")
    assert status == 2 and "first format" in output


def test_missing_file_gets_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(log_cli.app, ["stats", str(tmp_path / "none.img")])
    assert result.exit_code == 2 and "none.img" in result.output


def test_an_image_of_older_firmware_is_read(tmp_path: Path) -> None:
    status, text = run(tmp_path, bytes(old_log.memory()), "verify")
    count = len(old_log.all_rows())
    assert (status, text.splitlines()[-1].split(";")[0]) == (0, f"16 frames, {count} records readable, 0 problems")
    status, text = run(tmp_path, bytes(old_log.memory()), "dump")
    rows = [json.loads(line) for line in text.splitlines()]
    for row, (kind, name, quality, era, ticks, data) in zip(rows, old_log.all_rows(), strict=True):
        assert row["uptime_ms"] == (era << 30) + ticks
        if kind == SAMPLE:
            assert (row["group"], row["quality"], row["data"]) == (name, quality, (data or b"").hex())


def test_the_map_holds_its_legend(nor: Nor, tmp_path: Path) -> None:
    picture = tmp_path / "map.svg"
    run(tmp_path, bytes(nor.memory), "stats", "--svg", str(picture))
    tree = ElementTree.fromstring(picture.read_text(encoding="utf-8"))
    width = float(tree.attrib["width"])
    for text in tree.iter("{http://www.w3.org/2000/svg}text"):
        if not text.attrib.get("text-anchor"):
            assert float(text.attrib["x"]) + 6.5 * len(text.text or "") < width, text.text
