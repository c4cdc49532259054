"""`fieldgate profile import`: what each foreign format becomes, what is said of the rest, and that rubbish is one line.

The files in profile_samples/ were written for these tests, after the formats' own documentation.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from fieldgate import profile_cli
from fieldgate.profiles import apply, importer
from fieldgate.profiles.check import mistakes
from fieldgate.profiles.draft import Wanted
from fieldgate.profiles.model import ProfileError

SAMPLES = Path(__file__).parent / "profile_samples"

# File, options, what one line per point says: "name fc address type order key=value...", what is not mapped (a part of
# each line, in order).
CASES: list[tuple[str, list[str], list[str], list[str]]] = [
    ("boiler.tsv", ["--fc", "3", "--addresses", "zero"],
     ["boiler_flow 3 1 int16 scale=0.1 offset=-10 unit=degC", "heat_meter 3 2 uint32 order=CDAB unit=kWh",
      "pump_power 3 4 float32 order=BADC unit=W", "serial 3 6 string8"],
     ["line 6 (Mode byte): type uint8be", "line 7 (Curve): formula"]),
    ("pump.toml", ["--addresses", "zero"],
     ["enabled 1 0 bool", "flow_rate 3 100 float32 order=CDAB", "runtime 3 102 uint64 order=CDAB scale=0.1",
      "state 3 106 uint16 bits=[8, 8]", "leak 3 107 uint16 bit=3", "speed 4 5 int16 order=BADC scale=0.5",
      "total 4 6 int32 order=DCBA"],
     ['field half: type "FLOAT16"']),
    ("chiller.json", ["--addresses", "zero"],
     ["running 2 7 bool", "serial 3 10 string8", "supply_temp 4 0 int16 scale=0.1", "energy 4 1 uint32 order=CDAB"],
     ["timeseries odd: byteOrder", "timeseries third: divider", 'timeseries raw: type "bytes"', "rpc: writes"]),
    ("inverter_model.json", ["--base", "40070"],
     ["id 3 40070 uint16 na=['ff']", "l 3 40071 uint16 na=['ff']", "a 3 40072 uint16 unit=A na=['ff'] scale_from=a_sf",
      "a_sf 3 40073 int16 na=[-32768]", "wh 3 40074 uint64 scale=10 unit=Wh na=[0]",
      "tmp 3 40078 int16 scale=0.1 unit=degC na=[-32768]",
      "st 3 40080 uint16 na=['ff'] names={'1': 'off', '4': 'mppt'}",
      "evt 3 40081 uint32 na=['ff']", "nam 3 40083 string16", "phase_1_v 3 40093 float32 unit=V",
      "phase_2_v 3 40095 float32 unit=V"],
     ["symbols of Evt", 'point Net: type "ipaddr"', 'group string: count "N"']),
    ("ventilation.yaml", ["--addresses", "one"],
     ["frost 1 2 bool", "door 2 3 bool", "filter_hours 3 19 uint32 order=CDAB offset=-5",
      "fan_current 3 23 float32 order=DCBA unit=A", "label 3 39 string12",
      "supply_air 4 11 int16 scale=0.1 unit=degC period_ms=30000"],
     ["switches: writes", "nan_value of Fan current", "sensors Zones: virtual_count",
      'sensors Packed: data_type "custom"']),
    ("press.csv", ["--addresses", "modicon"],
     ["guard_closed 2 2 bool", "oil_pressure 3 0 int16 unit=bar scale=0.01", "stroke_counter 3 1 uint32 order=CDAB",
      "stroke_counter_2 3 3 uint32 order=CDAB", "level 4 9 float32 unit=um",
      "force 4 11 int16 unit=x:tonf"],
     ['force: unit "tonf" is not in the box', 'line 8 (Strange): type "float80"', "beyond: address 90001"]),
]  # fmt: skip


def run(*arguments: str) -> Any:
    return CliRunner().invoke(profile_cli.app, ["import", *arguments])


def described(point: dict[str, Any]) -> str:
    head = ("name", "fc", "address", "type")
    rest = [f"{key}={value}" for key, value in point.items() if key not in head]
    return " ".join([str(point[key]) for key in head] + rest)


@pytest.mark.parametrize("name, options, points, lost", CASES, ids=[case[0] for case in CASES])
def test_a_foreign_file_becomes_a_profile(
    name: str, options: list[str], points: list[str], lost: list[str], tmp_path: Path
) -> None:
    target = tmp_path / "mine.json"
    done = run(str(SAMPLES / name), *options, "-o", str(target), "--maker", "Acme", "--model", "X1")
    assert done.exit_code == 0, done.output
    profile = json.loads(target.read_text())
    assert [described(point) for point in profile["points"]] == points
    assert mistakes(profile, "mine", []) == []
    assert (profile["maker"], profile["model"], profile["confidence"]) == ("Acme", "X1", "community")
    said = [line for line in done.stdout.splitlines() if line.startswith("profile: not mapped: ")]
    assert len(said) == len(lost) and all(part in line for part, line in zip(lost, said)), said
    assert done.stdout.endswith(f"{len(points)} points, {len(lost)} not mapped\n")


@pytest.mark.parametrize("name", [case[0] for case in CASES if case[0] != "inverter_model.json"])
def test_without_a_terminal_addresses_are_not_guessed(name: str, tmp_path: Path) -> None:
    target = tmp_path / "mine.json"
    refused = run(str(SAMPLES / name), "--fc", "3", "-o", str(target))
    assert refused.exit_code == 1 and not target.exists()
    assert "give --addresses zero|one|modicon" in refused.stderr and refused.stderr.count("\n") == 1


def test_the_three_notations_mean_the_same_register(tmp_path: Path) -> None:
    for notation, first in (("zero", 8), ("one", 9), ("modicon", 40009), ("modicon", 400009)):
        source = tmp_path / "list.csv"
        source.write_text(f"name,address,fc\nspeed,{first},3\n")
        target = tmp_path / f"n{first}.json"
        assert run(str(source), "--addresses", notation, "-o", str(target)).exit_code == 0
        point = json.loads(target.read_text())["points"][0]
        assert (point["fc"], point["address"]) == (3, 8)
    other = run(str(source), "--addresses", "two", "-o", str(target))
    assert other.exit_code == 1 and '--addresses: found "two", allowed zero|one|modicon' in other.stderr


def test_what_a_format_leaves_open_is_asked_for_by_name(tmp_path: Path) -> None:
    for arguments, option in (
        ([str(SAMPLES / "boiler.tsv"), "--addresses", "zero"], "--fc"),
        ([str(SAMPLES / "inverter_model.json")], "--base"),
        ([str(SAMPLES / "pump.toml"), "--unit-id", "8"], "--unit-id"),
    ):
        refused = run(*arguments, "-o", str(tmp_path / "x.json"))
        assert refused.exit_code == 1 and option in refused.stderr and refused.stderr.count("\n") == 1


def test_an_order_that_is_not_clear_can_be_given(tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    done = run(str(SAMPLES / "chiller.json"), "--addresses", "zero", "--order", "DCBA", "-o", str(target))
    assert done.exit_code == 0 and "not mapped: timeseries odd" not in done.stdout
    assert {point["name"]: point.get("order") for point in json.loads(target.read_text())["points"]}["odd"] == "DCBA"


def test_at_a_terminal_the_question_is_asked(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "press.csv", tmp_path)
    command = ["-m", "fieldgate", "profile", "import", "press.csv"]
    child = pexpect.spawn(sys.executable, command, cwd=str(tmp_path), timeout=60, encoding="utf-8")
    try:
        child.expect(r"press\.csv: oil_pressure has 40001\. What do its addresses count from\?")
        child.expect("zero.one.modicon: ")
        child.sendline("perhaps")
        child.expect("zero.one.modicon: ")
        child.sendline("modicon")
        child.expect("6 points, 3 not mapped")
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)
    assert child.exitstatus == 0
    assert json.loads((tmp_path / "press.json").read_text())["points"][1]["address"] == 0


def test_a_profile_that_needs_a_hand_is_written_and_said(tmp_path: Path) -> None:
    source = tmp_path / "list.csv"
    source.write_text("name,address,fc,type\na,1,3,uint32\nb,2,3,uint16\n")
    target = tmp_path / "two.json"
    done = run(str(source), "--addresses", "zero", "-o", str(target))
    assert done.exit_code == 1 and target.exists()
    assert "points[1].address: found 2, allowed registers of no other point" in done.stdout


# Rubbish: text, bytes, and trees that look nearly right. Whatever comes in: a draft or one ProfileError.

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12),
    st.sampled_from(["16int", "uint16", "float32", "holding", "ABCD", "string", "bits", "0x10", "1e999", "-0", "nan"]),
)  # fmt: skip
KEYS = st.sampled_from(
    ["master", "slaves", "timeseries", "attributes", "unitId", "tag", "type", "functionCode", "address", "objectsCount",
     "divider", "multiplier", "byteOrder", "wordOrder", "group", "groups", "points", "name", "size", "count", "sf",
     "symbols", "value", "units", "modbus", "sensors", "binary_sensors", "slave", "data_type", "input_type", "scale",
     "offset", "swap", "scan_interval", "format", "profile", "probe", "unit", "fc", "bit", "bits", "order", "na"]
)  # fmt: skip
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=8),
    max_leaves=30,
)
ENTRIES = st.dictionaries(KEYS, LEAVES, max_size=12)
WANTED = Wanted(fc=3, base=100)
FORMATS = sorted(importer.READERS)


def survives(name: str, text: str, wanted: Wanted = WANTED) -> bool:
    """True if the reader made points of `text`; the only error that may come out is one line."""
    try:
        draft = importer.READERS[name](text, wanted)
        importer.settle(draft, "one")
    except ProfileError as error:
        assert "\n" not in str(error) and len(str(error)) < 400
        return False
    if draft.points:
        profile = importer.build(draft, importer.Names("x", "m", "x", "s"))
        profile = json.loads(json.dumps(profile))
        assert all("\n" not in line for line in mistakes(profile, "x", []) or apply.box_mistakes(profile))
    assert all("\n" not in line for line in draft.lost)
    return bool(draft.points)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(FORMATS), st.text(max_size=300))
def test_any_text_is_survived(name: str, text: str) -> None:
    survives(name, text)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(FORMATS), st.data())
def test_a_damaged_sample_is_survived(name: str, data: st.DataObject) -> None:
    files = {"iobroker": "boiler.tsv", "telegraf": "pump.toml", "thingsboard": "chiller.json",
             "sunspec": "inverter_model.json", "homeassistant": "ventilation.yaml", "csv": "press.csv"}  # fmt: skip
    text = (SAMPLES / files[name]).read_text()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 12))
        text = text[:at] + data.draw(st.text(max_size=6)) + text[at + cut :]
    survives(name, text)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(["thingsboard", "sunspec", "homeassistant"]), TREES, st.lists(ENTRIES, max_size=4))
def test_a_tree_that_looks_nearly_right_is_survived(name: str, tree: Any, entries: Any) -> None:
    trees = {
        "thingsboard": {"master": {"slaves": [{"unitId": 1, "timeseries": entries, "attributes": tree}]}},
        "sunspec": {"group": {"points": entries, "groups": tree}},
        "homeassistant": {"modbus": [{"sensors": entries, "binary_sensors": tree}]},
    }
    for each in (tree, trees[name]):
        survives(name, json.dumps(each))  # JSON is YAML, too, nearly always


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(TREES, st.lists(ENTRIES, max_size=4))
def test_any_tree_can_be_judged(tree: Any, entries: Any) -> None:
    for profile in ({"points": entries, "unit": tree, "probe": tree}, {"points": [tree], "serial": tree}):
        assert mistakes(profile, "x", []), "none of these is a profile"


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(TREES, TREES)
def test_any_ot_half_is_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, tree: Any, units: Any) -> None:
    path = tmp_path_factory.mktemp("ot") / "ot.json"
    profile = {"profile": "x", "points": [{"name": "a", "fc": 3, "address": 0, "type": "uint16"}]}
    for ot in (tree, {"buses": [tree]}, {"buses": [{"name": "b", "units": units}], "revision": tree}):
        path.write_text(json.dumps(ot))
        with pytest.raises(ProfileError) as refused:
            apply.put(path, profile, "u", 5, None)
        assert "\n" not in str(refused.value) and json.dumps(ot) == path.read_text()


def test_deep_and_large_files_are_one_line(tmp_path: Path) -> None:
    for name, text in (("x.json", "[" * 200000), ("x.yaml", "[" * 20000), ("x.csv", "a" * (1 << 21))):
        path = tmp_path / name
        path.write_text(text)
        refused = run(str(path), "--addresses", "zero")
        assert refused.exit_code == 1 and refused.stderr.count("\n") == 1, refused.output


def test_the_survival_check_can_see_points() -> None:
    assert survives("csv", "name,address,fc\na,2,3\n")
    assert not survives("csv", "nothing\n")
