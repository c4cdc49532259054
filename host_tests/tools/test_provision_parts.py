"""Parts of `fieldgate provision` without a box: box.toml and CSV, the lines that lead from one configuration to
another, the label. The way through the real firmware is host_tests/e2e/test_provision.py."""

from __future__ import annotations

import json
import random
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from fieldgate import box_label, provision_plan
from fieldgate.provision import hidden, new_password, roles_of, write_private
from fieldgate.provision_file import FileMistake, Order, Value, finished, leaves, read_batch, read_order, text_of

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "tools" / "examples" / "box.toml"
OT = json.loads((ROOT / "boards" / "virtual" / "ot.json").read_text())
IT = json.loads((ROOT / "boards" / "virtual" / "it.json").read_text())


def order_of(folder: Path, text: str) -> Order:
    (folder / "ot.json").write_text(json.dumps(OT))
    (folder / "it.json").write_text(json.dumps(IT))
    file = folder / "box.toml"
    file.write_text(text)
    return finished(read_order(file), str(file))


HALVES = 'ot = "ot.json"\nit = "it.json"\n'


def test_the_example_is_the_virtual_box() -> None:
    order = finished(read_order(EXAMPLE), "example")
    wanted = {plain: text_of(value, "") for plain, _, value in [*leaves("ot", OT, ""), *leaves("it", IT, "")]}
    found = {key: value.text for key, value in order.values.items()}
    assert {key: wanted[key] for key in found if key in wanted} == found | {}
    assert set(wanted) - set(found) <= {
        "mqtt.user", "mqtt.password", "publish.batch_records", "publish.batch_age_ms", "publish.flush_ms"
    }  # fmt: skip
    batch = read_batch(EXAMPLE.with_name("boxes.csv"), order)
    assert [each.box for each in batch] == ["fg-0001", "fg-0002", "fg-0003"]
    assert batch[1].base.endswith("cell-3/press-8") and batch[1].serial == "2026-0002"
    assert order.values["line1.meter.unit_id"] == Value("+line1.+meter.unit_id", "1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ot = 5\n", "ot: missing, allowed a table or the name of a file"),
        ('ot = "no.json"\nit = "it.json"', "no.json: No such file"),
        (HALVES + "[sett]\n", "sett: unknown, allowed are ot, it, set, passwords, check"),
        (HALVES + '[passwords]\nroles = ["root"]', "passwords.roles: found ['root'], allowed a list of ot, it, viewer"),
        (HALVES + '[check]\nunits = "most"', "check.units: found most, allowed all or some or none"),
        (HALVES + "[check]\nbroker = 1", "check.broker: found 1, allowed true or false"),
        (HALVES + '[check]\nlisten = "broker"', "check.listen: found broker, allowed host:port"),
        (HALVES + '[set]\n"place.site" = "a  b"', "allowed single spaces"),
        (HALVES + '[set]\n"place.site" = "Zürich"', "allowed plain ASCII"),
        (HALVES + '[set]\n"place.site" = "%s"' % ("x" * 200), "longer than the 200 characters of a line"),
        (HALVES + "[set]\nx = [1]", "found list, allowed text, a number, true or false"),
        ("ot = ", "Invalid value"),
    ],
)  # fmt: skip
def test_a_mistake_in_box_toml_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(FileMistake) as caught:
        order_of(tmp_path, text)
    assert said in str(caught.value) and "box.toml" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("serial,box\n", "found 0 rows"),
        ("serial,sbox\nA,fg-1\n", "column 'sbox': allowed are serial, port and keys as box, place.asset"),
        ("serial,box\nA,fg-1\nB,fg-1\n", "line 3: box fg-1 is that of line 2"),
        ("serial,box\nA,fg-1\nB,fg-2\n", "line 3: topic acme/lyon/press-shop/line-1/cell-3/press-7 is that of line 2"),
        ("serial,box\n,fg-1\n", "line 2: serial: missing"),
        ("serial,box\n../x,fg-1\n", "serial: found '../x'"),
        ("serial,box\n..,fg-1\n", "serial: found '..'"),
        ("serial,box\nA\n", "line 2: has not as many fields as the header"),
        ("serial,box\nA,fg-1,more\n", "line 2: has not as many fields as the header"),
    ],
)
def test_a_mistake_in_the_batch_is_one_line(tmp_path: Path, rows: str, said: str) -> None:
    order = order_of(tmp_path, HALVES)
    file = tmp_path / "boxes.csv"
    file.write_text(rows)
    with pytest.raises(FileMistake) as caught:
        read_batch(file, order)
    assert said in str(caught.value) and "\n" not in str(caught.value)


# The plan is judged by applying its lines to a plain dictionary as the console does to its files.


def flat(half: str, tree: dict[str, Any]) -> dict[str, str]:
    return {plain: text_of(value, "") for plain, _, value in leaves(half, tree, "")}


def applied(has: dict[str, str], lines: list[str]) -> dict[str, str]:
    now = dict(has)
    for line in lines:
        verb, key, *text = line.split(" ", 2)
        plain = key.replace("+", "")
        below = [other for other in now if other == plain or other.startswith(plain + ".")]
        assert verb == "set" or below, f"{line}: there is nothing to remove"
        above = [plain[:at] for at, char in enumerate(plain) if char == "." and plain[:at] in now]
        assert not above, f"{line}: {above} holds a plain value"
        for other in below:
            del now[other]
        head, _, number = plain.rpartition(".")
        if verb == "set":
            now[plain] = text[0]
        elif number.isdigit():  # what stands behind moves up
            later = sorted({int(other[len(head) + 1 :].split(".")[0]) for other in now if other.startswith(head + ".")})
            assert all(n < int(number) for n in later), f"{line}: not from the end"
    return now


def mutated(tree: Any, rng: random.Random) -> Any:
    """Another configuration: values changed, items and keys gone, items added."""
    if isinstance(tree, dict):
        return {
            key: value if key in ("name", "format") else mutated(value, rng)
            for key, value in tree.items()
            if key in ("name", "format") or rng.random() > 0.1
        }
    if isinstance(tree, list):
        kept = [item for item in (mutated(item, rng) for item in tree if rng.random() > 0.2) if item != {}]
        if kept and isinstance(kept[0], dict) and "name" in kept[0]:
            kept.append({**kept[0], "name": f"new{rng.randrange(100)}"})
        return kept
    if isinstance(tree, (int, float)) and not isinstance(tree, bool) and rng.random() < 0.3:
        return tree + 1
    return tree


@pytest.mark.parametrize("seed", range(40))
def test_the_lines_lead_from_any_configuration_to_any_other(seed: int) -> None:
    rng = random.Random(seed)
    brokers = [{"host": f"h{n}", "tls": None} for n in range(4)]
    for half, tree in (("ot", OT), ("it", {**IT, "mqtt": {"brokers": brokers}})):
        has, wanted = flat(half, mutated(tree, rng)), mutated(tree, rng)
        values = {plain: Value(typed, text_of(value, "")) for plain, typed, value in leaves(half, wanted, "")}
        lines = provision_plan.lines(dict(has), values)
        assert applied(has, lines) == {key: value.text for key, value in values.items()}
        assert provision_plan.lines({key: value.text for key, value in values.items()}, values) == []


def test_a_secret_is_typed_again_and_a_null_is_replaced() -> None:
    dump = ["set mqtt.brokers.0.tls null", "# set mqtt.password is left out", "set place.site a b"]
    has = provision_plan.current(dump)
    assert has == {"mqtt.brokers.0.tls": "null", "mqtt.password": None, "place.site": "a b"}
    values = {key: Value(key, text) for key, text in (
        ("mqtt.brokers.0.tls.ca", "ca.der"), ("mqtt.password", "x"), ("place.site", "a b"))}  # fmt: skip
    assert provision_plan.lines(has, values) == [
        "unset mqtt.brokers.0.tls", "set mqtt.brokers.0.tls.ca ca.der", "set mqtt.password x"
    ]  # fmt: skip
    assert hidden("set mqtt.password x") == "set mqtt.password ********"
    assert hidden("set mqtt.user x") == "set mqtt.user x"


def test_the_label_holds_everything_inside_its_edge() -> None:
    passwords = {role: new_password() for role in ("ot", "it", "viewer")}
    base = "/".join(["a-very-long-name-of-32-characters"] * 6)
    for what in (("fg-0001", "A-1", "acme/lyon/a/b/c/d", passwords), ("x" * 23, "s" * 32, base + "<&", passwords)):
        drawn = ElementTree.fromstring(box_label.svg(*what))
        texts = [node for node in drawn if node.tag.endswith("text")]
        lines = [node.text or "" for node in texts]
        assert [line for line in box_label.text(*what).splitlines() if line] == lines
        assert all(any(password in line for line in lines) for password in passwords.values())
        for node in texts:
            size = float(node.attrib["font-size"])
            assert 0 < float(node.attrib["y"]) - size and float(node.attrib["y"]) < box_label.HEIGHT_MM - 1
            assert float(node.attrib["x"]) + 0.6 * size * len(node.text or "") < box_label.WIDTH_MM


def test_passwords_differ_and_can_be_read_from_a_label() -> None:
    found = {new_password() for _ in range(1000)}
    assert len(found) == 1000
    assert all(re.fullmatch(r"[a-hjkmnp-z2-9]{4}(-[a-hjkmnp-z2-9]{4}){2}", password) for password in found)


def test_roles_of_a_box() -> None:
    assert roles_of(["logged in: nobody", "roles with a password: ot it"]) == ["ot", "it"]
    assert roles_of(["roles with a password: none: everybody may change everything"]) == []


def test_a_report_is_for_its_owner_only(tmp_path: Path) -> None:
    write_private(tmp_path / "a" / "report.json", "x")
    write_private(tmp_path / "a" / "report.json", "y")
    assert (tmp_path / "a" / "report.json").read_text() == "y"
    assert (tmp_path / "a" / "report.json").stat().st_mode & 0o77 == 0
