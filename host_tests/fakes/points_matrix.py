"""All types in all orders, random values: what the device's code on MicroPython makes of them, judged on the host.

The wire's bytes come from pymodbus (values to registers) and from struct, which must agree; the device's text, number,
quality and both payloads must give the value back, exactly. No line is shared with the decoders.
"""

from __future__ import annotations

import json
import math
import os
import random
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from pymodbus.client.mixin import ModbusClientMixin

from fieldgate import envelope, points

ROOT = Path(__file__).resolve().parents[2]
ORDERS = ("ABCD", "BADC", "CDAB", "DCBA")
TYPES = {
    "uint16": ("H", "UINT16"), "int16": ("h", "INT16"), "uint32": ("I", "UINT32"), "int32": ("i", "INT32"),
    "uint64": ("Q", "UINT64"), "int64": ("q", "INT64"), "float32": ("f", "FLOAT32"), "float64": ("d", "FLOAT64"),
    "bcd16": ("H", "UINT16"), "bcd32": ("I", "UINT32"),
    "string2": ("", "STRING"), "string6": ("", "STRING"), "string8": ("", "STRING"), "string30": ("", "STRING"),
}  # fmt: skip
SCALES = (1, 0.1, 0.001, 1000, 2.5, -0.01, 1e-05)
ROW_REGISTERS = 24
EDGES = (0, 1, -1, 2**15, 2**16 - 1, 2**24 + 1, 2**31, 2**32 - 1, 2**53 + 1, 2**63, 2**64 - 1, -(2**15), -(2**63))
DATATYPE = ModbusClientMixin.DATATYPE


class Case:
    """One point (with what scales it, if anything does) and its reads."""

    def __init__(self, rand: random.Random, kind: str, order: str, reads: int) -> None:
        self.rand, self.kind, self.order = rand, kind, order
        self.letter, self.pymodbus = TYPES.get(kind, ("", ""))
        self.registers = 1 if kind == "bool" else points.width_of(kind) // 2
        at = rand.randrange(8 * 4) if kind == "bool" else rand.randrange(ROW_REGISTERS - 1 - self.registers)
        self.point: dict[str, Any] = {"name": "p", "at": at, "type": kind, "order": order, "scale": 1, "offset": 0,
                                      "unit": ""}  # fmt: skip
        self.by: dict[str, Any] | None = None
        self._options()
        self.reads = [self._read() for _ in range(reads)]

    def _options(self) -> None:
        rand, point = self.rand, self.point
        width = 16 * self.registers
        if self.kind in ("uint16", "uint32") and rand.random() < 0.4:
            low = rand.randrange(width)
            if rand.random() < 0.5:
                point["bit"] = low
                return
            point["bits"] = [low, rand.randint(1, width - low)]
        if self.kind == "bool" or self.kind.startswith("string"):
            return
        if rand.random() < 0.5:
            point["scale"], point["offset"] = rand.choice(SCALES), rand.choice((0, -40, 0.5, 273.15))
        if rand.random() < 0.3:
            how = rand.choice(("exponent", "decimals", "divisor"))
            point |= {"scale_from": "s", "scale_as": how}
            self.by = {"name": "s", "at": ROW_REGISTERS - 1, "type": rand.choice(("int16", "uint16")),
                       "order": rand.choice(ORDERS), "scale": 1, "offset": 0, "unit": ""}  # fmt: skip
        if rand.random() < 0.4:
            point["na"] = [rand.choice(["ff", 0, (1 << width) - 1, -(1 << width - 1), 1 << width - 1])]
            if self.kind.startswith("float"):
                point["na"].append("nan")
        if rand.random() < 0.3:
            point["low"], point["high"] = rand.choice([(-1000, 1000), (0, 32767.5), (-0.5, 1e9)])

    @property
    def group(self) -> list[dict[str, Any]]:
        return [self.point, self.by] if self.by else [self.point]

    # One read

    def _value(self) -> int | float | bytes:
        rand, kind = self.rand, self.kind
        width = 16 * self.registers
        if kind == "bool":
            return rand.getrandbits(1)
        if kind.startswith("string"):
            size = rand.randrange(2 * self.registers + 1)
            return bytes(rand.choice(b"ABCxyz 0189-./\"\\") for _ in range(size))
        if kind.startswith("bcd"):
            return rand.getrandbits(width) if rand.random() < 0.1 else int(str(rand.randrange(10 ** (width // 4))), 16)
        if rand.random() < 0.2:
            bits = rand.choice(EDGES) & (1 << width) - 1
        elif rand.random() < 0.1:
            bits = (1 << width) - 1
        elif self.letter in "fd" and rand.random() < 0.5:
            number = round(rand.uniform(-500, 500), rand.randrange(4)) * 10 ** rand.randrange(-3, 5)
            return float(struct.unpack(">" + self.letter, struct.pack(">" + self.letter, number))[0])
        else:
            bits = rand.getrandbits(rand.choice([width, width, width // 2]))
        raw = bits.to_bytes(width // 8, "big")
        return struct.unpack(">" + self.letter, raw)[0]  # type: ignore[no-any-return]

    def _read(self) -> tuple[bytes, int | float | bytes, int]:
        value = self._value()
        row = bytearray(self.rand.randbytes(2 * ROW_REGISTERS))
        at = self.point["at"]
        if self.kind == "bool":
            row[at // 8] = row[at // 8] & ~(1 << at % 8) | int(value) << at % 8
        else:
            row[2 * at : 2 * at + 2 * self.registers] = wire(value, self.pymodbus, self.letter, self.order,
                                                             self.registers)  # fmt: skip
        scale = 0
        if self.by:
            low, high = (0, 65535) if self.by["type"] == "uint16" else (-32768, 32767)
            usual = (10, 100, 1000, 8, 25) if self.point["scale_as"] == "divisor" else range(-10, 11)
            scale = min(high, max(low, self.rand.choice([*usual] * 3 + [0, 1, 3, -1, -32768, 11, 65535])))
            row[-2:] = wire(scale, self.by["type"].upper(), "H" if low == 0 else "h", self.by["order"], 1)
        return bytes(row), value, scale

    # What is right

    def judge(
        self, row: bytes, value: int | float | bytes, scale: int, answer: list[str], single: bool = False
    ) -> str:
        """"" if the device's answer to one read is right, else what is wrong."""
        text, quality, name, number = answer
        if name != "None":
            return "a name"
        if self.kind.startswith("string"):
            assert isinstance(value, bytes)
            return "" if json.loads(text) == value.decode().rstrip(" ") and quality == "0" else "text"
        assert not isinstance(value, bytes)
        raw = None if self.kind == "bool" else struct.pack(">" + self.letter, value)
        if raw is not None and any(raw == pattern for pattern in self._patterns(len(raw))):
            return "" if (text, quality, number) == ("None", "7", "None") else "not available"
        if isinstance(value, float):
            if not math.isfinite(value):
                return "" if (text, quality, number) == ("None", "7", "None") else "no number"
            tiny = single and 0 < abs(value) < 1.2e-38  # the chip's conversion makes them 0, to compare they do
            if not tiny and number != "f" + struct.pack(">" + self.letter, cut(value) if single else value).hex():
                return "number"
            expected: Fraction | None = None
        else:
            found = self._whole(value)
            if found is None:
                return "" if (text, quality, number) == ("None", "7", "None") else "digits"
            if number != str(found):
                return "number"
            if self.kind == "bool" or "bit" in self.point:
                return "" if (text, quality) == ("true" if found else "false", "0") else "bit"
            expected = Fraction(found)
        factor = self._factor(scale)
        if factor is None:
            return "" if (text, quality) == ("None", "7") else "scale not available"
        if text == "None":
            return "nothing"
        offset = Fraction(repr(self.point["offset"]))
        told = Fraction(text)
        if expected is None:  # the digits of a float come from the text, and must give its bits and be the fewest
            assert isinstance(value, float)
            digits = (told - offset) / factor
            if struct.pack(">" + self.letter, float(digits)) != raw and value != 0:
                return "float"
            if digits != Fraction(fewest(value, self.letter)):
                return "digits"
        elif told != expected * factor + offset:
            return "value"
        low, high = self.point.get("low"), self.point.get("high")
        beyond = (low is not None and told < Fraction(repr(low))) or (high is not None and told > Fraction(repr(high)))
        return "" if quality == ("6" if beyond else "0") else "range"

    def _patterns(self, size: int) -> list[bytes]:
        whole = [item for item in self.point.get("na", []) if item != "nan"]
        return [b"\xff" * size if item == "ff" else item.to_bytes(size, "big", signed=item < 0) for item in whole]

    def _whole(self, value: int | float) -> int | None:
        if self.kind.startswith("bcd"):
            return int(f"{value:x}") if f"{value:x}".isdigit() else None
        binary = f"{int(value):0{16 * self.registers}b}"[::-1]  # the lowest bit first
        if "bit" in self.point:
            return int(binary[self.point["bit"]])
        if "bits" in self.point:
            low, count = self.point["bits"]
            return int(binary[low : low + count][::-1], 2)
        return int(value)

    def _factor(self, scale: int) -> Fraction | None:
        factor = Fraction(repr(self.point["scale"]))
        if not self.by:
            return factor
        if self.point["scale_as"] == "divisor":
            ends = scale > 0 and 10**16 % scale == 0
            return factor / scale if ends else None
        if not -10 <= scale <= 10:
            return None
        return factor * Fraction(10) ** (scale if self.point["scale_as"] == "exponent" else -scale)

    def word(self, value: int | float | bytes) -> int:
        """What the payloads must carry, by struct alone."""
        if self.kind == "bool":
            return int(value)  # type: ignore[arg-type]
        raw = value.ljust(2 * self.registers, b"\0") if isinstance(value, bytes) else struct.pack(
            ">" + self.letter, value)  # fmt: skip
        return int.from_bytes(raw, "big")


def cut(value: float) -> float:
    """A number as a float of single precision has it."""
    try:
        return float(struct.unpack(">f", struct.pack(">f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def fewest(value: float, letter: str) -> str:
    """The nearest decimal with the fewest digits that reads back, by the host's own printing."""
    for digits in range(1, 18):
        text = f"{value:.{digits}g}"
        try:
            if struct.pack(">" + letter, float(text)) == struct.pack(">" + letter, value):
                return text
        except OverflowError:
            continue
    raise AssertionError(value)


def wire(value: int | float | bytes, name: str, letter: str, order: str, count: int) -> bytes:
    """The bytes on the wire, by pymodbus; by struct for numbers, too."""
    whole = value.decode().ljust(2 * count, "\0") if isinstance(value, bytes) else value
    words = "little" if order in ("CDAB", "DCBA") else "big"
    registers = ModbusClientMixin.convert_to_registers(whole, DATATYPE[name], word_order=words)  # type: ignore[arg-type]
    data = b"".join(struct.pack("<H" if order in ("BADC", "DCBA") else ">H", register) for register in registers)
    if letter:
        assert not isinstance(value, bytes)
        big, little = struct.pack(">" + letter, value), struct.pack("<" + letter, value)
        pairs = {"ABCD": big, "DCBA": little, "BADC": b"", "CDAB": b""}[order]
        if order == "BADC":
            pairs = b"".join(big[i : i + 2][::-1] for i in range(0, len(big), 2))
        elif order == "CDAB":
            pairs = b"".join(little[i : i + 2][::-1] for i in range(0, len(little), 2))
        assert value != value or data == pairs, (value, name, order)  # a NaN's bits may change in a float
        data = pairs
    return data


def cases(seed: int, values: int, kinds: Sequence[str] = (), reads: int = 48) -> list[Case]:
    """About `values` of them over all types, or `kinds`, and orders; at least `reads` of each."""
    rand = random.Random(seed)
    combinations = [(kind, order) for kind in (kinds or [*TYPES, "bool"]) for order in ORDERS]
    rounds = max(1, round(values / (len(combinations) * reads)))
    return [Case(rand, kind, order, reads) for kind, order in combinations for _ in range(rounds)]


def written(made: Sequence[Case]) -> str:
    """What points_device.decode reads."""
    lines = []
    for case in made:
        lines += [json.dumps(case.group), *(row.hex() for row, _, _ in case.reads)]
    return "\n".join(lines) + "\n"


def judged(made: Sequence[Case], answers: Sequence[str], single: bool = False) -> tuple[int, list[str]]:
    """(values compared, differences). single: the device's floats have single precision."""
    lines = iter(answers)
    differences = []
    compared = 0
    for case in made:
        for row, value, scale in case.reads:
            answer = next(lines).split("\t")
            wrong = case.judge(row, value, scale, answer, single)
            compared += 1
            if wrong:
                differences.append(f"{wrong}: {case.group} {value!r} scale {scale}: {answer}")
        for _ in range(2):
            payload = bytes.fromhex(next(lines).removeprefix("batch "))
            try:
                batch = envelope.decode(payload, {0: {"points": case.group}})
            except envelope.EnvelopeError as error:
                differences.append(f"payload: {case.point}: {error}")
                continue
            for sample, (_, value, _) in zip(batch.samples, case.reads, strict=True):
                if sample.words[0] != case.word(value):
                    differences.append(f"payload: {case.point} {value!r}: {sample.words[0]:x}")
    return compared, differences


def run(seed: int, values: int, mutant: str = "") -> tuple[int, list[str]]:
    """(values compared, differences) with the device's code on the Unix port. mutant: runs before."""
    made = cases(seed, values)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cases"
        path.write_text(written(made))
        printed = device(f"{mutant}\nimport points_device; points_device.decode({str(path)!r})")
    return judged(made, printed.splitlines())


def device(program: str) -> str:
    """What MicroPython prints."""
    paths = [".frozen", *(str(ROOT / each) for each in ("lib", "firmware", "host_tests/fakes", "build/device"))]
    done = subprocess.run(
        [str(Path(sys.prefix) / "bin" / "micropython"), "-X", "heapsize=16M", "-c", program],
        env={**os.environ, "MICROPYPATH": ":".join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return done.stdout
