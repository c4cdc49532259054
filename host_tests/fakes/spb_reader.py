"""Reads Sparkplug B payloads for tests that run on MicroPython, where no protobuf library is.

Written from sparkplug_b.proto and apart from the box's writer; the judges of host_tests/tools/test_sparkplug.py check
it, too. Raises AssertionError for what is no payload.
"""


_PAYLOAD = {1: "timestamp", 2: "metrics", 3: "seq"}
_METRIC = {
    1: "name", 2: "alias", 3: "timestamp", 4: "datatype", 5: "historical", 7: "null", 9: "properties", 10: "int",
    11: "long", 12: "float", 13: "double", 14: "bool", 15: "string",
}  # fmt: skip


def read(payload):
    """{timestamp, seq, metrics: [{name, alias, timestamp, datatype, historical, null, properties, value}]}.

    None: absent. value is the word as an unsigned int for FLOAT too; properties is a dict."""
    top = {"timestamp": None, "seq": None, "metrics": []}
    for number, value in fields(bytes(payload)):
        if number == 2:
            top["metrics"].append(_metric(value))
        else:
            assert top[_PAYLOAD[number]] is None, "field comes twice"
            top[_PAYLOAD[number]] = value
    return top


def _metric(data):
    found = {}
    for number, value in fields(data):
        name = _METRIC[number]
        assert name not in found, "field comes twice"
        found[name] = value
    kind = found.get("datatype")
    values = [name for name in ("int", "long", "float", "double", "bool", "string") if name in found]
    assert len(values) == (0 if found.get("null") else 1), "a value or null"
    value = None
    if values:
        wanted = {
            3: "int", 6: "int", 4: "long", 8: "long", 9: "float", 10: "double", 11: "bool", 12: "string"
        }[kind]  # fmt: skip
        assert values == [wanted], "value in the field of its datatype"
        value = found[wanted]
    return {
        "name": _text(found.get("name")), "alias": found.get("alias"), "timestamp": found.get("timestamp"),
        "datatype": kind, "historical": bool(found.get("historical")), "null": bool(found.get("null")),
        "properties": _properties(found.get("properties")), "value": _text(value),
    }  # fmt: skip


def _properties(data):
    if data is None:
        return {}
    keys, values = [], []
    for number, value in fields(data):
        if number == 1:
            keys.append(_text(value))
        else:
            assert number == 2
            parts = dict(fields(value))
            values.append(_text(parts[8]) if parts[1] == 12 else parts[3])
    assert len(keys) == len(values)
    return dict(zip(keys, values))


def _text(value):
    return str(value, "utf-8") if isinstance(value, bytes) else value


def fields(data):
    """Yield (field number, value): ints for varints and fixed 32 or 64 bits, bytes for what has a length."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == 0:
            value, at = _varint(data, at)
        elif key & 7 in (1, 5):
            size = 8 if key & 7 == 1 else 4
            value = int.from_bytes(data[at : at + size], "little")
            at += size
        else:
            assert key & 7 == 2, "wire type"
            size, at = _varint(data, at)
            assert at + size <= len(data), "cut short"
            value = data[at : at + size]
            at += size
        yield key >> 3, value


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        shift += 7
        at += 1
        if byte < 128:
            assert byte or shift == 7, "longer than needed"
            return value, at
