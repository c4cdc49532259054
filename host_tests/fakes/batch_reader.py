"""A second reader of batches, written from lib/uplink/FORMAT.md alone, for tests on every runtime.

Shares no line with the encoder or with the host's decoder. No error handling: a wrong batch fails the test.
"""

import struct


def cbor(data, at=0):
    """(item, place after it) of the CBOR item at data[at]. Integers, strings, arrays, maps, null, tags as pairs."""
    major, value = data[at] >> 5, data[at] & 31
    at += 1
    if data[at - 1] == 0xF6:
        return None, at
    if value > 23:
        size = 1 << (value - 24)
        assert size <= 8
        value = int.from_bytes(data[at : at + size], "big")
        at += size
    if major < 2:
        return (value if major == 0 else -1 - value), at
    if major < 4:
        raw = bytes(data[at : at + value])
        return (raw if major == 2 else raw.decode()), at + value
    if major == 6:
        item, at = cbor(data, at)
        return (value, item), at
    items = []
    for _ in range(value * (major - 3)):
        item, at = cbor(data, at)
        items.append(item)
    if major == 4:
        return items, at
    assert major == 5
    return dict(zip(items[0::2], items[1::2])), at


def varints(data, at=0):
    out = []
    value = shift = 0
    for byte in data[at:]:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            out.append(value)
            value = shift = 0
    assert shift == 0
    return out


def sums(tokens):
    total = 0
    out = []
    for token in tokens:
        total = (total + (token >> 1 ^ -(token & 1))) & 0xFFFFFFFF
        out.append(total)
    return out


def signed(word):
    return word - (1 << 32) if word >> 31 else word


def qualities(data):
    out = []
    at = 0
    while at < len(data):
        end = at + 1
        while data[end] > 127:
            end += 1
        out += [data[at]] * varints(data[at + 1 : end + 1])[0]
        at = end + 1
    return out


def column(data, kind, count):
    """Values of a column as unsigned words; `kind` is the type name in the meta."""
    mode = data[0]
    width = 0 if kind == "bool" else 2 if kind.endswith("16") else 4
    if mode == 1:
        words = [word & ((1 << 8 * width) - 1) for word in sums(varints(data, 1))]
    elif mode >= 16:
        power = 10 ** (mode - 16)
        words = [struct.unpack(">I", struct.pack(">f", signed(k) / power))[0] for k in sums(varints(data, 1))]
    elif width:
        words = [int.from_bytes(data[i : i + width], "big") for i in range(1, len(data), width)]
    else:
        words = [data[1 + (i >> 3)] >> (i & 7) & 1 for i in range(count if mode == 0 else 1)]
    if mode == 2:
        words = words * count
    assert len(words) == count
    return words


def samples(payload, kinds):
    """(top map, {group: [(time, quality, [words] or None)]}); kinds: {group: [type name of each point]}."""
    top, end = cbor(payload)
    assert end == len(payload)
    groups = {}
    for group, parts in top[8].items():
        quality = qualities(parts[1])
        steps = sums(varints(parts[0]))
        assert len(steps) == len(quality)
        good = quality.count(0)
        if good:
            columns = [column(data, kind, good) for data, kind in zip(parts[2:], kinds[group])]
            assert len(columns) == len(kinds[group]) == len(parts) - 2
        time = row = 0
        groups[group] = []
        for q, step in zip(quality, steps):
            time += signed(step)
            groups[group].append((time, q, None if q else [words[row] for words in columns]))
            row += not q
    return top, groups


SIZES = {64: 1, 69: 2, 70: 4, 77: 2, 78: 4, 85: 4}  # bytes of the numbers in the typed arrays of RFC 8746


def array_words(pair):
    """The words of a typed array, unsigned."""
    tag, data = pair
    size = SIZES[tag]
    assert len(data) % size == 0
    return [int.from_bytes(data[i : i + size], "little") for i in range(0, len(data), size)]


def typed(payload):
    """(top map, {group: [(time, quality, [words] or None)]}) of a payload of typed arrays."""
    top, end = cbor(payload)
    assert end == len(payload)
    groups = {}
    for entry in top["groups"]:
        assert entry["times_ms"][0] == 78 and entry["quality"][0] == 64
        times = [signed(word) for word in array_words(entry["times_ms"])]
        quality = array_words(entry["quality"])
        columns = [array_words(pair) for pair in entry.get("values", ())]
        good = [row for row, q in enumerate(quality) if q == 0]
        assert len(times) == len(quality) and all([len(words) == len(good) for words in columns])
        groups[entry["group"]] = [
            (time, q, None if q else [words[good.index(row)] for words in columns])
            for row, (time, q) in enumerate(zip(times, quality))
        ]
    return top, groups
