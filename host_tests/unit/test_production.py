"""A machine's books: state over time, counters, factors, what waits for the time, checkpoints."""

from production import books, oee, restore
from production.calendar import Calendar, Zone
from production.oee import COUNTING, FAULT, IDLE, RUNNING, STOPPED_PLANNED, STOPPED_UNPLANNED, UNKNOWN
from production.signals import Counter, Source, Value
from production.state import MAX_PENDING, Machine
from production.texts import condition_of, terms

HOUR_MS = 3600000
NOON_S = 6 * 365 * 86400 + 43200  # a moment that begins an hour, in seconds since 2020


class Time:
    """Uptime that is told."""

    def __init__(self):
        self.t = 0

    def now(self):
        return self.t

    def when(self, ticks_ms):
        return self.t - ((self.t - ticks_ms) & 0x3FFFFFFF)


class Rig:
    """A machine with one source of two words: its signals, and its cycles."""

    def __init__(self, shifts=(), noticed=None):
        self.time = Time()
        self.source = Source(0, 1000, 4)
        self.source.states = True
        self.notes = []
        values = {"plc.word": point(self.source, 0), "plc.cycles": point(self.source, 1)}
        rules = [
            (FAULT, condition_of("plc.word & 2", values.get)),
            (RUNNING, condition_of("plc.word & 1", values.get)),
            (IDLE, condition_of("plc.word & 4", values.get)),
        ]
        self.machine = Machine(
            [self.source],
            rules,
            STOPPED_UNPLANNED,
            {oee.CYCLES: Counter(values["plc.cycles"])},
            condition_of(noticed, values.get) if noticed else None,
            None,
            oee.Account(Calendar(Zone(0, 0, None), shifts, [], 0)),
            self.time,
        )
        self.machine.note = lambda place, before: self.notes.append((place, before))
        self.zero = NOON_S * 1000

    def run(self, seconds, word, cycles=0, quality=0):
        for _ in range(seconds):
            data = bytes((word >> 8, word & 255, cycles >> 8, cycles & 255))
            ticks = self.time.t & 0x3FFFFFFF
            self.machine.sample(self.source, quality, ticks, data, 0 if quality else 4)
            self.machine.step(self.zero)
            self.time.t += 1000

    def sums(self):
        return self.machine.account.windows[oee.HOUR].sums


def point(source, at, kind="uint16"):
    return Value(source, {"type": kind, "order": "ABCD", "at": at, "scale": 1, "offset": 0})


def test_states_add_up_and_unknown_time_is_neither_running_nor_stopped():
    rig = Rig()
    rig.run(100, 1)
    rig.run(50, 0)
    rig.run(30, 1, quality=1)
    rig.run(20, 2)
    rig.run(2, 1)
    sums = rig.sums()
    assert sums[RUNNING] == 101000 and sums[STOPPED_UNPLANNED] == 50000 and sums[FAULT] == 20000
    assert sums[UNKNOWN] == 30000 and sums[oee.COUNTED] == 101000
    assert sums[oee.STOPS] == 1 and sums[oee.FAILURES] == 1
    assert sums[oee.REPAIRS] == 0 and sums[oee.REPAIRS_UNSEEN] == 1, "a part of it was not seen"


def test_one_failed_poll_is_no_unknown_time_two_are():
    rig = Rig()
    for failed, unknown in ((1, 0), (2, 2000), (3, 5000)):
        rig.run(10, 1)
        rig.run(failed, 1, quality=2)
        rig.run(2, 1)
        assert rig.sums()[UNKNOWN] == unknown, failed
    assert rig.machine.state == RUNNING


def test_silence_without_a_failed_poll_ends_what_was_seen():
    rig = Rig()
    rig.run(10, 1)
    rig.time.t += 20000
    rig.machine.step(rig.zero)
    assert rig.machine.state == UNKNOWN
    rig.run(2, 1)
    assert rig.sums()[RUNNING] == 11000 and rig.sums()[UNKNOWN] == 20000


def test_detect_and_restore():
    rig = Rig(noticed="plc.word & 8")
    rig.run(10, 1)
    rig.run(7, 0)  # stands
    rig.run(13, 2)  # and says why
    rig.run(25, 10)  # somebody is there
    rig.run(5, 4)  # ready
    rig.run(2, 1)
    sums = rig.sums()
    assert sums[oee.STOPS] == sums[oee.FAILURES] == sums[oee.REPAIRS] == 1
    assert sums[oee.DETECT] == 20000 and sums[oee.RESTORE] == 30000
    _, _, _, _ = factors = rig.machine.account.windows[0].factors(0, 0)
    assert factors[0] == (11000 * 10000 + 30500) // 61000 and factors[1:] == (oee.NONE, oee.NONE, oee.NONE)


def test_factors_only_where_their_inputs_exist():
    window = oee.Window(oee.HOUR, (0, 3600), -1)
    none = oee.NONE
    assert window.factors(1000, 2) == (none, none, none, none)
    window.sums[RUNNING] = window.sums[oee.COUNTED] = 90000
    window.sums[IDLE] = 10000
    window.sums[UNKNOWN] = 500000
    assert window.factors(1000, 2) == (9000, 0, none, none)
    window.sums[oee.CYCLES] = 80
    window.sums[oee.GOOD] = 76
    window.sums[oee.REJECT] = 4
    assert window.factors(1000, 2) == (9000, 8889, 9500, 7600)
    assert window.factors(1000, 1) == (9000, 8889, 9500, 7600)
    assert window.factors(1000, 0) == (9000, 8889, none, none)
    assert window.factors(0, 2) == (9000, none, 9500, none)


def test_counters_wrap_are_set_anew_and_count_what_was_not_seen_apart():
    rig = Rig()
    rig.run(10, 1, 65530)
    rig.run(10, 1, 4)
    assert rig.sums()[oee.CYCLES] == 10 and not rig.notes
    rig.run(10, 1, 30000)  # somebody set it
    assert rig.sums()[oee.CYCLES] == 10 and rig.notes == [(oee.CYCLES, 4)]
    rig.run(10, 1, 3)  # the PLC began anew
    assert rig.sums()[oee.CYCLES] == 13 and rig.notes[1:] == [(oee.CYCLES, 30000)]
    rig.run(10, 1, quality=1)
    rig.run(10, 1, 9)
    assert rig.sums()[oee.CYCLES] == 13 and rig.sums()[oee.UNSEEN] == 6
    rig.run(10, 1, 10)
    assert rig.sums()[oee.CYCLES] == 14


def test_a_counter_of_32_bits_is_exact_beyond_a_float():
    source = Source(0, 1000, 4)
    counter = Counter(point(source, 0, "uint32"))
    for value, pieces in ((4294967290, 0), (4294967295, 5), (2, 3), (16777217, 16777215), (16777218, 1)):
        source.data[:] = bytes([value >> shift & 255 for shift in (24, 16, 8, 0)])
        assert counter.step() == (pieces, False)


def test_time_waits_for_utc_and_is_placed_then():
    rig = Rig()
    zero, rig.zero = rig.zero, None
    rig.run(30, 1, 5)
    rig.run(30, 0, 6)
    assert rig.machine.account.at is None and rig.machine.state == STOPPED_UNPLANNED
    rig.zero = zero
    rig.run(1, 0, 6)
    assert rig.sums()[RUNNING] == 30000 and rig.sums()[STOPPED_UNPLANNED] == 30000 and rig.sums()[oee.CYCLES] == 1
    assert rig.machine.unplaced_ms == 0


def test_what_waits_is_bounded_and_what_does_not_fit_is_counted():
    rig = Rig()
    zero, rig.zero = rig.zero, None
    for k in range(3 * MAX_PENDING):
        rig.run(2, 1 + k % 2)
    assert len(rig.machine._pending) == MAX_PENDING
    rig.zero = zero
    rig.run(1, 1)
    sums = rig.sums()
    placed = sums[RUNNING] + sums[FAULT]
    assert rig.machine.unplaced_ms > 0 and placed + rig.machine.unplaced_ms == 2000 * 3 * MAX_PENDING
    rig = Rig()
    zero, rig.zero = rig.zero, None
    rig.run(20 * MAX_PENDING, 1, 0)
    for k in range(3 * MAX_PENDING):
        rig.run(1, 1, k)  # pieces, one state: neighbours are merged, nothing is lost
    rig.zero = zero
    rig.run(1, 1, 3 * MAX_PENDING)
    assert rig.machine.unplaced_ms == 0 and rig.sums()[oee.CYCLES] == 3 * MAX_PENDING


def test_breaks_and_nights_are_planned_and_a_stop_in_them_is_no_stop():
    shifts = [(127, 12 * 3600, 13 * 3600, [(12 * 3600 + 60, 12 * 3600 + 120)])]
    rig = Rig(shifts)
    rig.run(50, 1)
    rig.run(100, 0)
    sums = rig.sums()
    assert sums[RUNNING] == 50000 and sums[STOPPED_UNPLANNED] == 10000 + 29000 and sums[oee.OFF_OTHER] == 60000
    assert sums[STOPPED_PLANNED] == 0 and sums[oee.STOPS] == 2, "after the break it did not start again"


def test_windows_close_once_and_carry_on():
    rig = Rig()
    rig.zero -= 10000
    rig.run(20, 1)
    account = rig.machine.account
    closed = account.closed.pop(0)
    assert (closed.kind, closed.sums[RUNNING]) == (oee.HOUR, 10000) and not account.closed
    assert rig.sums()[RUNNING] == 9000 and account.windows[oee.DAY].sums[RUNNING] == 19000


def test_a_checkpoint_brings_everything_back_and_a_part_of_it_nothing():
    rig = Rig(noticed="plc.word & 8")
    rig.run(100, 1, 7)
    rig.run(20, 2, 7)
    account = rig.machine.account
    rows = [(w.kind, w.pack(account.at, 1000, 0)) for w in account.windows if w]
    assert all([len(row) == oee.WINDOW_BYTES for _, row in rows])
    state = books.pack_state(rig.machine, 3000, 1)
    other = Rig(noticed="plc.word & 8")
    restorer = restore.Restorer()
    assert not restorer.state(state, other.machine, 500000), "without its windows it is not whole"
    for kind, row in rows:
        restorer.window(kind, row)
    assert not restorer.state(books.pack_state(rig.machine, 0, 0), other.machine, 500000), "a change of state is none"
    assert restorer.state(state, other.machine, 500000)
    again = other.machine.account
    assert again.at == account.at and (again.stop, again.stop_at) == (2, account.stop_at) and again.counted
    assert [w and (w.span, w.sums) for w in again.windows] == [w and (w.span, w.sums) for w in account.windows]
    assert other.machine.counters[oee.CYCLES].last == 7 and other.machine.zero == account.at - 497000


def test_days_without_power_are_not_walked_through():
    account = oee.Account(Calendar(Zone(0, 0, None), [], [], 0))
    begin = NOON_S * 1000
    account.account(RUNNING | COUNTING, begin, begin + HOUR_MS)
    account.fresh = True
    end = begin + 400 * 24 * HOUR_MS
    account.account(RUNNING, end, end + 5000)
    first, last = [w for w in account.closed if w.kind == oee.DAY], account.windows[oee.DAY]
    assert len(first) == 1 and first[0].sums[UNKNOWN] == 11 * HOUR_MS and first[0].sums[RUNNING] == HOUR_MS
    assert last.sums[UNKNOWN] == 12 * HOUR_MS and last.sums[RUNNING] == 5000 and account.lost == 0


def test_conditions():
    source = Source(0, 1000, 8)
    names = {"u.a": point(source, 0), "u.b": point(source, 1, "int16"), "u.f": point(source, 2, "float32")}
    source.data[:] = b"\x00\x05\xff\xfe\x42\x28\x00\x00"  # 5, -2, 42.0
    for text, holds in (
        ("u.a", True),
        ("not u.a", False),
        ("u.a == 5 and u.b < 0", True),
        ("u.a == 5 and u.b < -2", False),
        ("u.a & 0x04", True),
        ("not u.a & 2", True),
        ("u.f >= 42", True),
        ("u.f > 42.5", False),
        ("u.a != 5", False),
    ):
        assert condition_of(text, names.get).holds() == holds, text
    for text in ("", "a", "u.a == x", "u.a and", "u.a or u.b"):
        try:
            terms(text)
        except ValueError as error:
            assert str(error)
        else:
            assert False, text


def test_a_point_that_is_not_available_makes_the_state_unknown():
    rig = Rig()
    rig.run(10, 1)
    value = Value(rig.source, {"type": "uint16", "order": "ABCD", "at": 0, "scale": 1, "offset": 0, "na": ["ff"]})
    rig.machine._rules = [(RUNNING, condition_of("u.a == 1", {"u.a": value}.get))]
    rig.run(5, 0xFFFF)
    assert rig.machine.state == UNKNOWN and rig.machine.cause == 2
    rig.run(3, 1)
    sums = rig.sums()
    assert sums[UNKNOWN] == 5000 and sums[RUNNING] == 12000 and sums[STOPPED_UNPLANNED] == 0


def test_bits_and_floats_of_a_point_are_compared_as_they_are_published():
    source = Source(0, 1000, 8)
    source.data[:] = b"\x00\x34\x00\x00\x40\x45\x00\x00"  # 0x34; 42.0 as float64 begins with 4045
    names = {
        "u.bit": Value(source, {"type": "uint16", "order": "ABCD", "at": 0, "scale": 1, "offset": 0, "bit": 5}),
        "u.bits": Value(source, {"type": "uint16", "order": "ABCD", "at": 0, "scale": 1, "offset": 0, "bits": [4, 3]}),
        "u.scaled": Value(source, {"type": "uint16", "order": "ABCD", "at": 0, "scale": 0.5, "offset": 4}),
    }
    for text in ("u.bit", "u.bits == 3", "u.scaled == 30"):
        assert condition_of(text, names.get).holds(), text
