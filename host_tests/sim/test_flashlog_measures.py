"""The bars of the flash log: write amplification, erases, wear, pages, RAM, mount and drain; the same cost for ever."""

import gc

from flashlog import layout
from flashlog.log import FlashLog
from flashlog_measure import BLOCK, ENTROPY, RingLog, TimedNor, mount_bytes, run
from nor import Nor

HEAP_KB = 16384


def test_eight_records_of_32_bytes():
    for unit in (16, 256):
        nor = TimedNor(32, unit)
        figures = run(RingLog(nor), nor, 32 * 14 * 20, BLOCK, 8, 8)
        print(
            "REPORT: flash log, 8 x 32 B, unit %d: write amplification %.3f, %.2f erases per 1000, wear %.3f, "
            "%d pages at most, %.3f reads per record"
            % (
                unit,
                figures["write_amplification"],
                figures["erases_per_1000"],
                figures["wear_spread"],
                figures["worst_pages"],
                figures["reads_per_record"],
            )
        )
        assert figures["write_amplification"] <= 1.1
        assert figures["erases_per_1000"] <= 9
        assert figures["wear_spread"] <= 1.1
        assert figures["worst_pages"] <= 3 and figures["worst_erases"] == 0
        assert figures["reads_per_record"] <= 0.3


def fill(nor, frames):
    log = FlashLog(nor, entropy=ENTROPY)
    log.mount()
    log.begin_boot()
    for _ in range(frames):
        log.append(BLOCK, 8)
        log.idle()
    return log


def test_mount_reads_little():
    for sectors in (128, 352):
        nor = Nor(sectors, 256)
        fill(nor, sectors * 15)
        read = mount_bytes(lambda flash: FlashLog(flash).mount(), nor)
        print("REPORT: flash log: mount of %d full sectors reads %d bytes" % (sectors, read))
        assert read <= 140 * sectors + 4096


def test_ram():
    """Heap of a mounted log; its page buffer apart. Objects take twice a board's memory here, buffers do not."""
    RingLog(Nor(4))
    nor = Nor(352, 256)
    total = RingLog(nor).ram_bytes
    log = RingLog(nor).log
    buffers = len(log._reader._frames._buffer) + len(log._s._bad)
    on_board = buffers + (total - buffers - layout.PAGE_BYTES) // 2
    print("REPORT: flash log, 352 sectors: %d bytes of heap on 64 bits, about %d on a board, beside the page" % (
        total, on_board))  # fmt: skip
    assert on_board <= 2048


def cost_of(log, nor):
    """(pages, erases, reads, heap bytes allocated) of one append."""
    payload = BLOCK
    nor.reset_counters()
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    log.append(payload, 8)
    spent = gc.mem_alloc() - before
    gc.enable()
    return nor.pages, nor.erases, nor.reads, spent


class CheapNor(Nor):
    """Programs without allocating, so that what is left is the log's."""

    def program(self, sector, offset, buf):
        at = sector * 4096 + offset
        self.memory[at : at + len(buf)] = buf
        self.pages += 1

    def read(self, sector, offset, buf):
        at = sector * 4096 + offset
        buf[:] = memoryview(self.memory)[at : at + len(buf)]
        self.reads += 1


def test_second_and_millionth_append_cost_the_same():
    nor = CheapNor(8, 16)
    log = FlashLog(nor, entropy=ENTROPY)
    log.mount()
    log.begin_boot()
    log.idle()
    log.append(BLOCK, 8)
    first = cost_of(log, nor)
    number = 16
    costs = {first: 1}
    while number < 1000000:
        log.read()
        log.ack(log.position())
        log.idle()
        if number % 4096 == 0 and log.cost(256)[0] <= 2:
            cost = cost_of(log, nor)
            costs[cost] = costs.get(cost, 0) + 1
            number += 8
        log.append(BLOCK, 255)  # as many records at once as a frame can count, to get there
        number += 255
    while log.cost(256)[0] != 2:
        log.append(BLOCK, 1)
        log.idle()
    last = cost_of(log, nor)
    print("REPORT: flash log: append of 8 records: (pages, erases, reads, heap bytes) %s, the millionth %s" % (
        first, last))  # fmt: skip
    assert first[:3] == last[:3] and abs(first[3] - last[3]) <= 64


def test_append_and_read_work_with_a_full_backlog_as_with_none():
    nor = Nor(64)
    log = fill(nor, 10)
    near = []
    for _ in range(5):
        nor.reset_counters()
        log.read()
        near.append(nor.reads)
    log = fill(Nor(64), 64 * 14 - 40)
    far_nor = log._s.flash
    far = []
    for _ in range(5):
        far_nor.reset_counters()
        log.read()
        far.append(far_nor.reads)
    assert far[1:] == near[1:]  # the first read may load a header
