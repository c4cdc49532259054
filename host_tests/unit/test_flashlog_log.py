"""The flash log without faults: order, acknowledgement, restart, wrap-around, full, numbers, mismatch."""

from flashlog import layout
from flashlog.log import FlashLog, LogFull, LogMismatch
from nor import Nor

ENTROPY = b"\x01\x02\x03\x04"


def open_log(nor, drop_oldest=True):
    log = FlashLog(nor, entropy=ENTROPY, drop_oldest=drop_oldest)
    log.mount()
    log.begin_boot()
    return log


def payload(number, size=40):
    return (b"%08d" % number) * (size // 8) + b"x" * (size % 8)


def drain(log):
    out = []
    while True:
        data = log.read()
        if data is None:
            return out
        out.append(int(bytes(data[:8])))


def test_append_read_ack_restart():
    for unit in (16, 256):
        nor = Nor(4, unit)
        log = open_log(nor)
        for i in range(20):
            log.append(payload(i), 3)
        assert log.depth() == 60
        assert bytes(log.read()) == payload(0)
        assert (log.frame_seq_hi, log.frame_seq_lo, log.frame_records) == (0, 0, 3)
        assert bytes(log.read()) == payload(1)
        assert (log.frame_seq_hi, log.frame_seq_lo, log.frame_records) == (0, 3, 3)
        assert log.ack(log.position())
        assert log.depth() == 54
        assert drain(log) == list(range(2, 20))
        log.rewind()
        assert drain(log) == list(range(2, 20))
        again = open_log(nor)
        assert again.depth() == 54
        assert drain(again) == list(range(2, 20))
        assert again.ack(again.position()) and again.depth() == 0
        assert again.read() is None
        again.append(payload(20), 3)
        assert drain(again) == [20] and again.frame_seq_lo == 60


def test_boot_ids_rise_by_one_and_log_id_stays():
    nor = Nor(4)
    for boot in range(1, 60):  # several sectors of boots
        log = FlashLog(nor, entropy=ENTROPY)
        log.mount()
        assert log.begin_boot() == boot
        assert log.log_id == 0x04030201
        log.append(payload(boot), 1)
        assert drain(log)[-1] == boot
        log.ack(log.position())


def test_no_erase_inside_append_when_idle_is_called():
    nor = Nor(6)
    log = open_log(nor)
    while log.idle():
        pass
    log.stats.starved = 0
    for i in range(3000):
        pages, erases = log.cost(40)
        nor.pages = nor.erases = 0
        log.append(payload(i), 1)
        assert (nor.pages, nor.erases) == (pages, erases) and erases == 0, i
        log.read()
        if i % 5 == 0:
            assert log.ack(log.position())
        log.idle()
    assert log.stats.starved == 0 and log.stats.dropped == 0


def test_erase_due_says_what_idle_will_do():
    """Who calls idle() only when it is due never starves an append, in any policy, and idle() then erases."""
    for drop in (True, False):
        nor = Nor(5)
        log = open_log(nor, drop)
        while log.idle():
            pass
        log.stats.starved = 0
        seen = {0: 0, 1: 0, 2: 0}
        for i in range(1500):
            try:
                log.append(payload(i), 1)
            except LogFull:
                assert not drop
            due = log.erase_due()
            seen[due] += 1
            nor.reset_counters()
            assert log.erase_due() == due and nor.reads == 0
            if due == 2 or (due == 1 and i % 3 == 0):
                assert log.idle()
            elif not due:
                assert not log.idle()
            if i > 700 and i % 11 == 0:
                for _ in range(13):
                    log.read()
                log.ack(log.position())
        assert min(seen.values()) > 5 or not drop, seen
        # a full log that refuses has no room for the acknowledgement that frees it: that one erases by itself
        assert log.stats.starved <= (0 if drop else 1), (drop, log.stats.starved, seen)


def test_cost_foretells_a_starved_append():
    for unit in (16, 256):
        nor = Nor(4, unit)
        log = open_log(nor)
        seen = set()
        for i in range(300):
            cost = log.cost(300)
            nor.pages = nor.erases = 0
            log.append(payload(i, 300), 1)
            assert (nor.pages, nor.erases) == cost, (i, cost)
            seen.add(cost[1])
        assert seen == {0, 1} and log.stats.starved > 10


def test_drop_oldest_is_counted_and_ordered():
    nor = Nor(4)
    log = open_log(nor)
    total = 0
    for i in range(2000):
        log.append(payload(i), 2)
        total += 2
        if i % 3 == 0:
            log.idle()
        assert log.depth() + log.stats.dropped == total
    left = drain(log)
    assert left == list(range(2000 - len(left), 2000)) and len(left) > 130
    assert log.stats.dropped == (2000 - len(left)) * 2
    again = open_log(nor)
    assert again.stats.dropped == log.stats.dropped
    assert drain(again) == left


def test_refuse_new_keeps_the_old():
    nor = Nor(4)
    log = open_log(nor, drop_oldest=False)
    count = 0
    try:
        while True:
            log.append(payload(count), 1)
            count += 1
            log.idle()
    except LogFull:
        pass
    assert count > 190
    again = open_log(nor, drop_oldest=False)
    assert drain(again) == list(range(count)) and again.stats.dropped == 0
    assert again.ack(again.position()) and again.depth() == 0
    again.append(payload(count), 1)
    assert drain(again) == [count]


def test_full_log_defers_what_it_cannot_store_and_says_so():
    nor = Nor(4)
    log = open_log(nor, drop_oldest=False)
    try:
        while True:
            log.append(payload(0), 1)
    except LogFull:
        pass
    told = []
    for _ in range(8):
        log.read()
        told.append(log.ack(log.position()))
    assert told[0] and not told[-1]
    assert log.stats.deferred == told.count(False)
    depth = log.depth()
    boot = FlashLog(nor, entropy=ENTROPY, drop_oldest=False)
    boot.mount()
    assert boot.depth() == depth + told.count(False)


def test_record_numbers_pass_2_to_the_30():
    nor = Nor(4)
    log = open_log(nor)
    start = (5, layout.LO_MAX - 700)
    log._next_hi, log._next_lo = log._ack_hi, log._ack_lo = start
    log._off = layout.SECTOR_BYTES
    log.append(payload(0), 200)
    log.read()
    number = (5 << 30) + start[1]
    for i in range(1, 395):
        number += 200
        log.append(payload(i), 200)
        assert bytes(log.read()) == payload(i)
        assert (log.frame_seq_hi << 30) + log.frame_seq_lo == number
        assert log.frame_seq_lo <= layout.LO_MAX
        if i % 7 == 0:
            log.ack(log.position())
            assert log.depth() == 0
        if i % 50 == 49:
            log = open_log(nor)
            assert log.depth() == (i % 7) * 200
            while log.read() is not None:
                pass
    assert log.frame_seq_hi == 6


def test_number_arithmetic():
    top = layout.LO_MAX
    assert layout.number_add(0, top, 1) == (1, 0)
    assert layout.number_add(2, top - 5, 5) == (2, top)
    assert layout.number_back(1, 0, 1) == (0, top)
    assert layout.number_back(0, 3, 9) == (0, 0)
    assert layout.number_diff(1, 0, 0, top) == 1
    assert layout.number_diff(0, top, 1, 0) == -1
    assert layout.number_diff(9, 0, 0, top) == top
    assert layout.number_diff(1, top, 0, top - 1) == top


def test_any_length_and_any_content():
    for unit in (16, 256):
        nor = Nor(5, unit)
        log = open_log(nor)
        for size in range(1, layout.MAX_FRAME_BYTES + 1, 7):
            for content in (b"\xff", b"\x00", b"\x55"):
                log.append(content * size, 1)
                assert bytes(log.read()) == content * size
        again = open_log(nor)
        assert again.depth() == log.depth()


def test_foreign_flash_is_refused_and_not_touched():
    def mismatch(nor):
        before = bytes(nor.memory)
        nor.reset_counters()
        try:
            FlashLog(nor, entropy=ENTROPY).mount()
        except LogMismatch as error:
            assert bytes(nor.memory) == before and nor.erases == nor.programs == 0
            return str(error)
        raise AssertionError("mounted")

    nor = Nor(4)
    nor.memory[3 * 4096 + 77] = 0
    assert "not blank" in mismatch(nor)
    nor = Nor(8)
    log = open_log(nor)
    for i in range(2000):
        log.append(payload(i), 1)
    whole = bytes(nor.memory)
    nor.memory[0:4096], nor.memory[4096:8192] = whole[4096:8192], whole[0:4096]
    assert "at place" in mismatch(nor)
    nor.memory[:] = whole
    small = Nor(4)
    small.memory[:] = whole[: 4 * 4096]
    assert "of 8 sectors" in mismatch(small)
    nor.memory[: 4 * 4096] = b"\x5a" * (4 * 4096)
    assert "something else" in mismatch(nor)
    other = Nor(8)
    log = FlashLog(other, entropy=b"abcd")
    log.mount()
    nor.memory[:] = whole
    nor.memory[:4096] = other.memory[:4096]
    assert "two flash logs" in mismatch(nor)


def test_newer_version_is_refused():
    import binascii
    import struct

    nor = Nor(4)
    open_log(nor)
    for at in (32, 80):
        nor.memory[at + 4] = layout.VERSION + 1
        crc = binascii.crc32(bytes(nor.memory[at : at + 44]), layout.HEADER_SEED)
        nor.memory[at + 44 : at + 48] = struct.pack("<I", crc)
    try:
        FlashLog(nor, entropy=ENTROPY).mount()
        raise AssertionError("mounted")
    except LogMismatch as error:
        assert "version 2" in str(error)
