"""What a point may have beyond type and address: each mistake is one line that says what, where, found and allowed."""

from gateway import rules, units
from ot_half import Half

PATH = "buses[0].units[0].points[%d]."


def lines(*points, **unit):
    """Mistakes of a unit with these points; keys that are not given are usual."""
    usual = {"fc": 3, "type": "uint16"}
    listed = [dict(usual, **dict({"name": "p%d" % i, "address": 10 * i}, **p)) for i, p in enumerate(points)]
    one = dict({"name": "u", "unit_id": 1, "points": listed}, **unit)
    ot = {"format": 1, "owner": "o", "revision": 1, "buses": [{"name": "line1", "units": [one]}]}
    return Half(ot).errors


def test_all_types_and_orders_are_known():
    for kind in ("uint16", "int16", "uint32", "int32", "float32", "uint64", "int64", "float64", "bcd16", "bcd32",
                 "string2", "string32", "string120"):  # fmt: skip
        for order in ("ABCD", "CDAB", "BADC", "DCBA"):
            assert lines({"type": kind, "order": order}) == []
    for kind in ("string0", "string1", "string", "string122", "string08", "string-2", "string2.0", "uint8", "bcd64", 5):
        (line,) = lines({"type": kind})
        assert line.startswith("buses[0].units[0].points[0].type: found ") and "string2 to string120" in line
    over = {"type": "uint64", "address": 9}
    assert "allowed none of 12..12: holes" in lines(over, holes=[{"fc": 3, "address": 12}])[0]
    assert "allowed 0..65521 for string30" in lines({"type": "string30", "address": 65530})[0]
    assert "allowed types of 3 register" in lines({"type": "float64"}, max_registers=3)[0]


def test_keys_that_are_not_given_stay_away():
    errors = []
    point = rules.check({"name": "p", "fc": 3, "address": 1, "type": "uint16"}, rules.POINT, "", errors)
    assert errors == [] and len(point) == 10, "gateway.schema_store.USUAL_KEYS"


def test_bits():
    assert lines({"bit": 15}, {"type": "uint32", "bit": 31}, {"bits": [0, 16]}, {"bits": [15, 1]}) == []
    for point, line in (
        ({"bit": 16}, "bit: found 16, allowed bits 0..15 of a uint16"),
        ({"bits": [10, 7]}, "bits: found [10, 7], allowed [lowest, count] within bits 0..15 of a uint16"),
        ({"bits": [0, 0]}, "bits: found [0, 0], allowed [lowest, count] within bits 0..15 of a uint16"),
        ({"bit": 1, "type": "int16"}, "bit: found 1 of a int16, allowed with uint16 and uint32"),
        ({"bit": 1, "bits": [0, 1]}, "bits: found bit and bits, allowed one of them"),
        ({"bit": 1, "scale": 2}, "scale: found scale, offset or scale_from of a single bit, allowed none"),
        ({"bit": 32}, "bit: found 32, allowed a whole number 0..31"),
        ({"bits": [1]}, "bits: found a list of 1, allowed a list of 2..2"),
    ):
        assert lines(point) == [PATH % 0 + line], lines(point)


def test_scale_from():
    sf = {"name": "sf", "type": "int16"}
    assert lines({"scale_from": "sf"}, sf) == []
    assert lines({"scale_from": "sf", "scale_as": "divisor", "scale": 0.5, "offset": 1, "type": "float64"}, sf) == []
    for point, other, line in (
        ({"scale_from": "s"}, sf, 'scale_from: found "s", allowed the name of a point of the same unit'),
        (
            {"scale_from": "sf", "fc": 4},
            sf,
            'scale_from: found "sf" with fc 3, allowed 4 as here: both must be in one read',
        ),
        (
            {"scale_from": "sf", "period_ms": 500},
            sf,
            'scale_from: found "sf" with period_ms 1000, allowed 500 as here: both must be in one read',
        ),
        (
            {"scale_from": "sf"},
            dict(sf, type="uint32"),
            'scale_from: found "sf", allowed a uint16 or int16 without a scale of its own',
        ),
        (
            {"scale_from": "sf"},
            dict(sf, scale=0.1),
            'scale_from: found "sf", allowed a uint16 or int16 without a scale of its own',
        ),
        (
            {"scale_from": "p0"},
            sf,
            'scale_from: found "p0", allowed a uint16 or int16 without a scale of its own',
        ),
        ({"scale_from": "sf", "type": "string8"}, sf, 'scale_from: found "sf", allowed with numbers only'),
        ({"scale_as": "divisor"}, sf, 'scale_as: found "divisor", allowed with scale_from only'),
        (
            {"scale_as": "power"},
            sf,
            'scale_as: found "power", allowed "exponent" or "decimals" or "divisor"',
        ),
    ):
        assert lines(point, other) == [PATH % 0 + line], lines(point, other)


def test_patterns_and_limits():
    assert lines({"na": [65535, -32768, "ff", 0]}, {"type": "float32", "na": ["nan", 0x7FC00000]}) == []
    assert lines({"type": "uint64", "na": [18446744073709551615]}, {"low": -1.5, "high": 2}) == []
    for point, line in (
        ({"na": [65536]}, "na[0]: found 65536, allowed a raw value of 16 bits"),
        ({"na": [1, -32769]}, "na[1]: found -32769, allowed a raw value of 16 bits"),
        ({"na": ["nan"]}, 'na[0]: found "nan", allowed "nan" with float32 and float64'),
        ({"na": ["FF"]}, 'na[0]: found "FF", allowed a raw value: a whole number, "ff" or "nan"'),
        ({"na": [1.5]}, 'na[0]: found 1.5, allowed a raw value: a whole number, "ff" or "nan"'),
        ({"na": []}, "na: found a list of 0, allowed a list of 1..4"),
        ({"na": 65535}, "na: found 65535, allowed a list of 1..4"),
        ({"low": 2, "high": 2}, "low: found 2, allowed less than high, 2"),
        ({"high": "5"}, 'high: found "5", allowed a number'),
        ({"type": "string4", "low": 1}, "low: found 1, allowed with numbers only"),
        ({"type": "bool", "fc": 1, "na": ["ff"]}, 'na[0]: found "ff", allowed none with bool'),
        ({"type": "string4", "scale": 2}, "scale: found scale or offset of a string4, allowed none"),
    ):
        assert lines(point) == [PATH % 0 + line], lines(point)


def test_names():
    assert lines({"names": {"0": "stop", "-1": "?", "65535": "run, fast"}}, {"bit": 0, "names": {"1": "yes"}}) == []
    allowed = (
        'names: found %s, allowed an object of 1..32 numbers and names of 1..24 characters as {"0": "stop"}, 400 '
        "characters together"
    )
    for names, shown in (
        ({}, "an object"),
        (["stop"], "a list of 1"),
        ({"x": "stop"}, "an object"),
        ({"01": "stop"}, "an object"),
        ({"0": ""}, "an object"),
        ({"0": 5}, "an object"),
        ({"0": "x" * 25}, "an object"),
        ({"0": "a\tb"}, "an object"),
        (dict([(str(i), "s") for i in range(33)]), "an object"),
        (dict([(str(i), "s" * 20) for i in range(20)]), "an object"),
    ):
        assert lines({"names": names}) == [PATH % 0 + allowed % shown], names
    wanted = "names: found names of a %s, allowed for whole numbers without scale and offset"
    for point, what in (
        ({"type": "float32"}, "float32"),
        ({"scale": 0.1}, "uint16 with a scale"),
        ({"type": "string2"}, "string2"),
    ):
        assert lines(dict(point, names={"0": "x"})) == [PATH % 0 + wanted % what]


def test_units():
    for unit in ("", "V", "degC", "%RH", "kWh", "m3/h", "1", "x:furlong", "rpm"):
        assert lines({"unit": unit}) == [], unit
    for unit, close in (
        ("kwh", "kWh"),
        ("KW", "kW"),
        ("C", "degC"),
        ("\u00b0C", "degC"),
        ("m\u00b3/h", "m3/h"),
        ("deg C", "degC"),
        ("Volt", "V"),
        ("l/min.", "l/min"),
        ("kvarhh", "kvarh"),
    ):
        (line,) = lines({"unit": unit})
        assert line == PATH % 0 + 'unit: found "%s", allowed a unit of measure as %s, or any after x:' % (
            unit,
            close,
        )
    (line,) = lines({"unit": "furlong"})
    assert line.endswith('unit: found "furlong", allowed a unit of measure, or any after x:')
    for wrong in ("x:", "x:" + "y" * 15, "x:a\n"):
        assert len(lines({"unit": wrong})) == 1


def test_the_list_of_units():
    found = list(units.symbols())
    assert len(found) == len(set(found)) > 150
    for symbol in found:
        assert 0 < len(symbol) <= 16 and all([33 <= ord(c) < 127 for c in symbol])
    for wrong in ("V A", " V", "V ", "kWh ", " "):
        assert len(lines({"unit": wrong})) == 1, wrong
