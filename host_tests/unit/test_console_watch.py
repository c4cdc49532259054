"""What `watch` prints of a value: every digit, the name of a number, in words why there is none."""

from console.live import value_text


def text(data, points=None, **point):
    described = dict({"name": "p", "at": 0, "order": "ABCD", "scale": 1, "offset": 0, "unit": ""}, **point)
    return value_text(data, described, [described] + (points or []))


def test_every_digit():
    assert text(b"\x01\x00\x00\x01", type="uint32", scale=0.001) == "16777.217"
    assert text(b"\xff" * 8, type="uint64") == "18446744073709551615"
    assert text(b"\x43\x66\x19\x9a", type="float32") == "230.1" and text(b"\x00\xed", type="int16", scale=0.1) == "23.7"
    assert text(b"\x19\x9a\x43\x66", type="float32", order="CDAB") == "230.1"


def test_words():
    assert text(b"\x02", type="bool", at=1) == "on" and text(b"\x00\x00", type="uint16", bit=3) == "off"
    assert text(b"\x00\x01", type="uint16", names={"1": "run"}) == "run (1)"
    assert text(b"ABC\x00", type="string4") == '"ABC"'
    assert text(b"\xff\xff", type="uint16", na=["ff"]) == "not_available"
    assert text(b"\x00\x64", type="uint16", high=99) == "100 (out_of_range)"
