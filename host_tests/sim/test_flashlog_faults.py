"""Flash that ages: rotten bits in header, payload, cursor and marks; sectors that stop to program or erase.

Rot may cost exactly the frames that were hit, and they are counted. Failing sectors cost nothing.
"""

from flashlog import layout, reader, sectors
from flashlog.log import FlashLog
from flashlog_cuts import ENTROPY, Machine, Model, play, random_script
from nor import Nor, Rng

HEAP_KB = 16384


def fresh(nor, drop=True):
    log = FlashLog(nor, entropy=ENTROPY, drop_oldest=drop)
    log.mount()
    return log


def written(unit=16, frames=60):
    """A log over several sectors; returns (nor, [(sector, offset, size, records)] of its frames)."""
    nor = Nor(6, unit)
    log = fresh(nor)
    log.begin_boot()
    places = []
    for i in range(frames):
        log.append(bytes([i]) * (40 + i * 5), 1 + i % 4)
        places.append((log._s.newest, log._off - layout.frame_bytes(40 + i * 5), 40 + i * 5, 1 + i % 4))
        log.idle()
    assert log.stats.dropped == 0
    return nor, places


def read_ids(log):
    out = []
    while True:
        payload = log.read()
        if payload is None:
            return out
        first = payload[0]
        assert bytes(payload) == bytes([first]) * (40 + first * 5)
        out.append(first)


def lost_by_rot(nor, sector, offset, bit):
    """Flip one bit; returns (frames that cannot be read, records counted as damaged), and flips it back."""
    nor.rot(sector, offset, bit)
    log = fresh(nor)
    ids = read_ids(log)
    assert ids == sorted(ids)
    nor.rot(sector, offset, bit)
    return [i for i in range(60) if i not in ids], log.stats.damaged + log.stats.dropped


def test_rot_in_a_frame_costs_that_frame():
    nor, places = written()
    rng = Rng(41)
    hits = 0
    for number in range(60):
        sector, at, size, records = places[number]
        spots = list(range(layout.FRAME_HEADER_BYTES)) + [10 + rng.below(size) for _ in range(6)] + [10 + size - 1]
        for spot in spots:
            lost, counted = lost_by_rot(nor, sector, at + spot, rng.below(8))
            # the last frame cannot be told from a torn write: FORMAT.md, Limits
            assert lost == [number] and counted == (records if number != 59 else 0), (number, spot, lost, counted)
            hits += 1
    print("REPORT: rot: %d single bits in frames, each cost its own frame only" % hits)


def test_rot_in_headers_costs_nothing():
    nor, places = written()
    bits = 0
    for sector in range(6):
        for offset in range(0, layout.FRAMES_AT):
            lost, counted = lost_by_rot(nor, sector, offset, (offset + sector) % 8)
            assert lost == [] and counted == 0, (sector, offset, lost, counted)
            bits += 1
    print("REPORT: rot: %d single bits in sector headers, nothing lost" % bits)


def test_rot_while_it_runs():
    nor, places = written()
    log = fresh(nor)
    log.begin_boot()
    newest = log._s.newest
    for offset in (32, 80):
        nor.rot(newest, offset, 0)
    assert read_ids(log) == list(range(60))
    log.append(b"\x3c" * 340, 1)
    assert log.ack(log.position()) and read_ids(log) == [60]


def test_rot_in_the_cursor_repeats_but_loses_nothing():
    for spot in range(16):
        nor = Nor(4)
        log = fresh(nor)
        log.begin_boot()
        ends = []
        for i in range(6):
            log.append(bytes([i]) * (40 + i * 5), 1)
            log.read()
            assert log.ack(log.position())
            ends.append(log._off - 16)
        nor.rot(log._s.newest, ends[5] + spot, 3)
        again = fresh(nor)
        assert read_ids(again) == [5], spot


def test_rot_in_a_boot_mark_does_not_repeat_a_boot():
    for spot in range(32):
        nor = Nor(4)
        for boot in (1, 2, 3):
            log = fresh(nor)
            assert log.begin_boot() == boot
        nor.rot(log._s.newest, log._off - 32 + spot, 1)
        assert fresh(nor).begin_boot() == 4, spot


def run_with(prepare, seed, unit=16, drop=False, later=True):
    nor = Nor(6, unit, Rng(seed))
    machine = Machine(nor, Model(), drop, FlashLog)
    if not later:
        prepare(nor)
    machine.boot()
    play(machine, random_script(Rng(seed), 60, 2, 2))
    if later:
        prepare(nor)
    play(machine, random_script(Rng(seed + 1), 250, 2, 2))
    machine.boot()
    assert machine.log.stats.dropped == 0 and machine.model.next > 1000
    return machine


def test_failing_sectors_lose_nothing():
    """Each way to fail, from the start and in the middle of work, by error code and without a word."""
    names = ("stuck_program", "stuck_erase", "silent_program", "silent_erase")
    runs = 0
    for name in names:
        for sectors_hit in ({1}, {0, 4}):
            for later in (True, False):

                def prepare(nor, name=name, sectors_hit=sectors_hit):
                    setattr(nor, name, sectors_hit)

                if name == "silent_erase" and not later:
                    continue  # blank sectors that do not erase cannot be told from sound ones
                for unit in (16, 256):
                    machine = run_with(prepare, 50 + runs, unit, later=later)
                    stats = machine.log.stats
                    assert stats.retired <= len(sectors_hit)
                    runs += 1
    print("REPORT: failing sectors: %d runs, nothing lost" % runs)


def test_retired_sectors_are_remembered():
    def prepare(nor):
        nor.silent_erase = {3}

    machine = run_with(prepare, 70)
    machine.nor.silent_erase = set()
    log = fresh(machine.nor)
    assert log.stats.retired == 1 and log._s.is_bad(3)


def test_all_sectors_failing_is_an_error_not_a_hang():
    nor = Nor(4)
    log = fresh(nor)
    log.begin_boot()
    log.append(b"a" * 40, 1)
    nor.stuck_program = {0, 1, 2, 3}
    try:
        for _ in range(40):
            log.append(b"b" * 400, 1)
        raise AssertionError("no error")
    except OSError:
        pass
    assert bytes(log.read()) == b"a" * 40
    assert log.idle() in (True, False)


def test_wear_counts_survive_restarts():
    nor = Nor(5, 16, Rng(4))
    machine = Machine(nor, Model(), True, FlashLog)
    machine.boot()
    rng = Rng(5)
    for _ in range(60):
        play(machine, random_script(rng, rng.below(20), 2, 1))
        machine.boot()
    log = fresh(nor)
    assert sum(nor.wear) > 90
    assert log.stats.wear_sum == sum(nor.wear) and log.stats.wear_max == max(nor.wear)


# Mutants: the tests above must be able to fail.


def fails(test, patches):
    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in patches]
    for owner, name, value in patches:
        setattr(owner, name, value)
    try:
        test()
    except Exception as error:  # noqa: BLE001 (any failure will do)
        print("REPORT: mutant: caught by %s: %s" % (test.__name__, repr(error)[:90]))
        return
    finally:
        for owner, name, value in kept:
            setattr(owner, name, value)
    raise AssertionError("mutant not caught by " + test.__name__)


def test_mutant_without_copy_of_the_open_record():
    fails(test_rot_in_headers_costs_nothing, [(sectors, "OPEN_COPY_AT", layout.OPEN_AT)])


def test_mutant_that_skips_a_page_after_damage():
    def next_frame(self, limit):
        # as the real one, but goes on at the next page after damage too
        if self._seed is None:
            self._seed = layout.sector_seed(self._s.log_id, self._number)
        while self.offset + 16 <= limit:
            payload = self._frame(limit)
            if payload is not None:
                self.offset += self.size
                return payload
            self.offset = (self.offset | 255) + 1
        return None

    fails(test_rot_in_a_frame_costs_that_frame, [(reader.Frames, "next_frame", next_frame)])


def test_mutant_without_read_back():
    def program(self, sector, offset, body, head=b""):
        data = bytes(head) + bytes(body)
        unit = self.flash.program_bytes
        start = offset & -unit
        end = (offset + len(data) + unit - 1) & -unit
        image = bytearray(b"\xff" * (end - start))
        image[offset - start : offset - start + len(data)] = data
        self.flash.program(sector, start, image)

    fails(test_failing_sectors_lose_nothing, [(sectors.Sectors, "program", program)])


def test_mutant_without_erase_mark():
    program = sectors.Sectors.program

    def markless(self, sector, offset, body, head=b""):
        if offset != layout.ERASE_AT:
            program(self, sector, offset, body, head)

    fails(test_wear_counts_survive_restarts, [(sectors.Sectors, "program", markless)])


def test_mutant_single_boot_mark():
    program = sectors.Sectors.program

    def single(self, sector, offset, body, head=b""):
        program(self, sector, offset, body[:4] if head and head[6] == layout.BOOT else body, head)

    fails(test_rot_in_a_boot_mark_does_not_repeat_a_boot, [(sectors.Sectors, "program", single)])
