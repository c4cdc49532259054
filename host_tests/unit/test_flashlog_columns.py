"""Columns of samples: every bit comes back, the same bytes on every runtime, and the sizes that FORMAT.md names."""

import hashlib
import struct

from flashlog import columns, workspace
from flashlog.columns import plan_of, put_plan, read_plan
from flashlog.layout import frame_bytes
from flashlog.records import Block, BlockBuilder
from flashlog.workspace import Workspace
from nor import Rng
from reference_rows import POINTS, rows

METER = [(2 * point["at"], 0, True) for point in POINTS]


class Mill:
    """Builds blocks of one group out of rows and takes each apart again at once."""

    def __init__(self, size, values=(), group=0):
        self.work = Workspace()
        self.work.plans[group] = plan_of(size, values)
        self.group = group
        self.builder = BlockBuilder(480, self.work)
        self.blocks = []

    def run(self, samples, per_block):
        """samples: (ms, data); returns payload bytes and flash bytes per sample."""
        builder = self.builder
        wanted = []
        for ms, data in samples:
            if not wanted or builder.records == per_block or not builder.sample(self.group, 0, ms, data, len(data)):
                self._close(wanted)
                builder.reset(7, b"abcd", 0, ms)
                assert builder.sample(self.group, 0, ms, data, len(data))
            wanted.append((ms, bytes(data)))
        self._close(wanted)
        builder.records = 0
        payload = sum([len(block) for block in self.blocks])
        flash = sum([frame_bytes(len(block)) for block in self.blocks])
        return payload / len(wanted), flash / len(wanted)

    def _close(self, wanted):
        builder = self.builder
        if builder.records:
            self.blocks.append(bytes(builder.payload()))
            got = [(row[4], bytes(row[5])) for row in Block(self.blocks[-1])]
            assert got == wanted[-builder.records :]


def meter(raw, count=240):
    data = list(rows(raw))
    return [(1000 * i + data[i % 60][0] % 1000, data[i % 60][1]) for i in range(count)]


def test_sizes_of_the_reference_data():
    """8 float32 of a meter in steps of 0.1 .. 0.001 (quantised), or with noise below the step (raw)."""
    for raw, most in ((False, 14.5), (True, 28)):
        for polls in (1, 2, 5, 10, 30):
            payload, flash = Mill(32, METER).run(meter(raw), polls)
            print(
                "REPORT: flash log, 8 float32 %s, %d polls in a block: %.1f B per sample, on flash with frame and "
                "padding %.1f B" % ("raw" if raw else "quantised", polls, payload, flash)
            )
            if polls >= 10:
                assert flash <= most
        assert Mill(32, METER).run(meter(raw), 1)[0] < 51.5  # whole rows: 51


def test_every_runtime_writes_the_same_bytes():
    """The digest was taken on CPython; viper on MicroPython must come to the same, on every machine."""
    digest = hashlib.sha256()
    for raw in (False, True):
        mill = Mill(32, METER)
        mill.run(meter(raw), 10)
        for block in mill.blocks:
            digest.update(block)
    rng = Rng(2)
    for size, values in ((77, ()), (40, [(2, 1, True), (6, 1, False), (20, 1, True)]), (252, [(248, 3, True)])):
        mill = Mill(size, values, 200)
        mill.run(noise(rng, size, 60), 7)
        for block in mill.blocks:
            digest.update(block)
    assert digest.digest().hex()[:16] == "1c42f94e483b612e"


def noise(rng, size, count):
    """Data in which from sample to sample a few bytes change, sometimes all."""
    data = bytearray(rng.getrandbits(8) for _ in range(size))
    out = []
    for i in range(count):
        for _ in range(size if rng.below(9) == 0 else rng.below(6)):
            data[rng.below(size)] = rng.getrandbits(8)
        out.append((i * 50, bytes(data)))
    return out


def test_any_bits_come_back_in_any_layout():
    rng = Rng(5)
    special = (0, 0x80000000, 0x7FC00001, 0xFF800000, 1, 0x80000001, 0x4B800000, 0x3DCCCCCD, 0x3DCCCCCE, 0xC3661999)
    for _ in range(40):
        values = []
        at = 0
        order = rng.below(4)
        while True:
            at += 2 * rng.below(4)
            if at > 100:
                break
            values.append((at, order if rng.below(4) else rng.below(4), rng.below(3) > 0))
            at += (4, 4, 2)[rng.below(3)]  # some overlap
        size = at + rng.below(5)
        samples = []
        data = bytearray(size)
        for i in range(25):
            for offset, its_order, _ in values:
                kind = rng.below(6)
                if kind < 3 and offset + 4 <= size:
                    word = (
                        struct.pack(">f", (rng.below(40000) - 20000) / 10 ** rng.below(5)),
                        struct.pack(">I", special[rng.below(len(special))]),
                        bytes([rng.getrandbits(8) for _ in range(4)]),
                    )[kind]
                    for j in range(4):
                        data[offset + (j ^ its_order)] = word[j]
            if size and rng.below(3) == 0:
                data[rng.below(size)] = rng.getrandbits(8)
            samples.append((i * 300, bytes(data)))
        Mill(size, values, rng.below(255)).run(samples, 1 + rng.below(20))


def test_floats_next_to_k_by_power():
    """put_word against division in doubles, and through the encoder: decimal where it is, not where it is not."""
    rng = Rng(6)
    power = 1
    for decimals in range(6):
        for _ in range(150):
            k = rng.getrandbits(1 + rng.below(22))
            columns.put_word(k, power)
            (word,) = struct.unpack(">I", struct.pack(">f", k / power))
            assert columns._word[0] == word, (k, decimals)
            plan = plan_of(4, [(0, 0, True)])
            values = columns.array("I", [0])
            assert columns.load_values(struct.pack(">I", word), plan, values, 1, columns.MASK) == 1
            assert plan[4] <= decimals and values[0] * 10 ** (decimals - plan[4]) == k
            if k > 4096:  # its neighbour is another number, or none
                columns.load_values(struct.pack(">I", word + 1), plan, values, 1, columns.MASK)
                columns.store_values(values, plan, data := bytearray(4), columns.MASK)
                assert bytes(data) == struct.pack(">I", word + 1)
        power *= 10


def test_a_column_learns_its_decimals_and_gives_up_on_noise():
    mill = Mill(4, [(0, 0, True)])
    plan = mill.work.plans[0]
    mill.run([(0, struct.pack(">f", 230.0)), (1, struct.pack(">f", 230.5)), (2, struct.pack(">f", 230.25))], 9)
    assert plan[4] == 2 and plan[5] == 2
    mill.run([(3, struct.pack(">f", 231.0))], 9)
    assert plan[4] == 2  # remembered in the next block
    mill.run([(4, b"\x43\x66\x12\x35")], 9)
    assert plan[4] == columns.WORD
    for patience in range(14, 0, -1):
        assert plan[5] == patience << 4
        mill.run([(5, struct.pack(">f", 231.0))], 9)
        assert plan[4] == columns.WORD
    mill.run([(6, struct.pack(">f", 231.5))], 9)
    assert plan[4] == 1


def test_a_sample_of_another_size_is_whole_and_nothing_refers_to_it():
    for values in ((), METER[:2]):
        work = Workspace()
        work.plans[1] = plan_of(8, values)
        builder = BlockBuilder(480, work)
        builder.reset(1, b"abcd", 0, 0)
        wanted = []
        for size in (8, 8, 6, 6, 8, 8, 10, 8, 8):
            data = struct.pack(">ff", 1.5, len(wanted) / 4)[:size] + bytes(max(0, size - 8))
            assert builder.sample(1, 0, 0, data, size)
            wanted.append(data)
        assert [bytes(row[5]) for row in Block(builder.payload())] == wanted


def test_more_groups_than_last_values_find_room():
    work = Workspace()
    for group in range(60):
        work.plans[group] = plan_of(32, METER)
    builder = BlockBuilder(2000, work)
    builder.reset(1, b"abcd", 0, 0)
    wanted = []
    for _ in range(2):
        for group in range(30):
            data = struct.pack(">8f", *[group + i / 10 for i in range(8)])
            assert builder.sample(group, 0, 0, data, 32)
            wanted.append((group, data))
    assert [(row[1], bytes(row[5])) for row in Block(builder.payload())] == wanted


def test_a_row_that_does_not_fit_leaves_nothing_behind():
    """The block is full when a column must be chosen anew; smaller samples of the group still come out right."""
    mill = Mill(32, METER)
    builder = mill.builder
    for spare in range(0, 60):
        builder.reset(1, b"abcd", 0, 0)
        wanted = []
        samples = [struct.pack(">8f", *[n / 10 for n in range(8)]), struct.pack(">8f", *[n / 1000 for n in range(8)])]
        builder.sample(0, 0, 0, samples[0], 32)
        wanted.append(samples[0])
        builder.max_bytes = len(builder.payload()) + spare
        for i in (1, 0, 1, 0, 0):
            if builder.sample(0, 0, 0, samples[i], 32):
                wanted.append(samples[i])
        builder.max_bytes = 480
        assert [bytes(row[5]) for row in Block(builder.payload())] == wanted


def test_two_builders_take_turns():
    work = Workspace()
    work.plans[0] = plan_of(32, METER)
    pair = [BlockBuilder(480, work), BlockBuilder(480, work)]
    wanted = [[], []]
    for builder in pair:
        builder.reset(1, b"abcd", 0, 0)
    for i, (ms, data) in enumerate(meter(False, 30)):
        turn = i // 3 % 2
        assert pair[turn].sample(0, 0, ms, data, 32)
        wanted[turn].append(data)
    for turn in (0, 1):
        assert [bytes(row[5]) for row in Block(pair[turn].payload())] == wanted[turn]


def test_plans_are_read_as_written_and_misfits_refused():
    rng = Rng(9)
    refused = 0
    for size in range(0, 253):
        values = [(at, 2, True) for at in range(0, size - 3, 2) if rng.below(5) == 0]
        plan = plan_of(size, values or [(size, 2, True)])
        buf = bytearray(200)
        end = put_plan(buf, 5, plan)
        again = read_plan(buf, 5, size)
        assert end == 11 + plan[2] and again[:4] == plan[:4]
        assert [again[i] for i in range(4, len(plan), 2)] == [plan[i] for i in range(4, len(plan), 2)]
        try:
            other = read_plan(bytes([rng.getrandbits(8) for _ in range(160)]), 0, size)
            data = bytearray(size)
            columns.store_values(columns.array("I", bytes(4 * other[3])), other, data, columns.MASK)
        except ValueError:
            refused += 1
    assert refused > 30


def test_mutants_are_caught():
    """Each leaves one step out; the comparison that Mill makes with every block must see it."""

    def from_zeros(buf, nibble, values, last, at, count, mask):
        return columns.put_values(buf, nibble, values, last, -1, count, mask)

    def never_anew(data, plan, values, first, mask):
        found = columns.load_values(data, plan, values, first, mask)
        return 1 if found < 0 else found

    def not_kept(buf, at, data, start, size):
        if data is not mill.work._values:
            columns.move(buf, at, data, start, size)

    for name, mutant in (("put_values", from_zeros), ("load_values", never_anew), ("move", not_kept)):
        mill = Mill(32, METER)
        samples = meter(False, 20) + [(20000, struct.pack(">8f", *[0.12345 * (i + 1) for i in range(8)]))]
        setattr(workspace, name, mutant)
        try:
            mill.run(samples, 30)
        except (AssertionError, ValueError):
            continue
        finally:
            setattr(workspace, name, getattr(columns, name))
        raise AssertionError(name + " was not caught")
