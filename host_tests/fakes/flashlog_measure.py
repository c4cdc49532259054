"""Measurements of the flash log and of a LittleFS control on the same simulated NOR. Runs on MicroPython.

Used by the sim tests, which assert the bars, and by `bench-log`, which prints the table.
"""

import gc
import os
import time

from flashlog.log import FlashLog
from nor import SECTOR_BYTES, Nor

ENTROPY = b"\x12\x34\x56\x78"
BLOCK = bytes(range(1, 33)) * 8  # 8 records of 32 bytes, none 0xFF


class TimedNor(Nor):
    """Counts the time spent in the simulator, so that it can be taken off."""

    inside_us = 0

    def read(self, sector, offset, buf):
        start = time.ticks_us()
        super().read(sector, offset, buf)
        self.inside_us += time.ticks_diff(time.ticks_us(), start)

    def program(self, sector, offset, buf):
        start = time.ticks_us()
        super().program(sector, offset, buf)
        self.inside_us += time.ticks_diff(time.ticks_us(), start)

    def erase(self, sector):
        start = time.ticks_us()
        super().erase(sector)
        self.inside_us += time.ticks_diff(time.ticks_us(), start)


class RingLog:
    """The flash log as a bench candidate."""

    def __init__(self, nor):
        gc.collect()
        before = gc.mem_alloc()
        self.log = FlashLog(nor, entropy=ENTROPY)
        self.log.mount()
        self.log.begin_boot()
        gc.collect()
        self.ram_bytes = gc.mem_alloc() - before

    def append(self, payload, records):
        self.log.append(payload, records)

    def idle(self):
        self.log.idle()

    def consume(self):
        """Read all and acknowledge; returns records read."""
        log = self.log
        count = 0
        while log.read() is not None:
            count += log.frame_records
        log.ack(log.position())
        return count


class BlockDevice:
    """A NOR as MicroPython's extended block device."""

    def __init__(self, nor):
        self.nor = nor

    def readblocks(self, block, buf, offset=0):
        view = memoryview(buf)
        while view:
            size = min(len(view), SECTOR_BYTES - offset)
            self.nor.read(block, offset, view[:size])
            view = view[size:]
            block += 1
            offset = 0

    def writeblocks(self, block, buf, offset=0):
        self.nor.program(block, offset, buf)

    def ioctl(self, operation, argument):
        if operation == 4:
            return self.nor.sectors
        if operation == 5:
            return SECTOR_BYTES
        if operation == 6:
            self.nor.erase(argument)
        return 0


class LittleFsLog:
    """Control: append to segment files of 4 KiB, synced after each append; the oldest segment is deleted."""

    def __init__(self, nor, fresh=True):
        import vfs

        unit = max(nor.program_bytes, 16)
        device = BlockDevice(nor)
        gc.collect()
        before = gc.mem_alloc()
        if fresh:
            vfs.VfsLfs2.mkfs(device, readsize=unit, progsize=unit, lookahead=32)
        self.fs = vfs.VfsLfs2(device, readsize=unit, progsize=unit, lookahead=32)
        names = sorted([int(entry[0]) for entry in self.fs.ilistdir("/")])
        self.first = names[0] if names else 0
        self.last = names[-1] if names else -1
        self.file = None
        self.used = SECTOR_BYTES
        self.keep = nor.sectors * 3 // 4
        gc.collect()
        self.ram_bytes = gc.mem_alloc() - before

    def append(self, payload, records):
        if self.used + len(payload) > SECTOR_BYTES:
            if self.file:
                self.file.close()
            self.last += 1
            if self.last - self.first >= self.keep:
                self.fs.remove("/%d" % self.first)
                self.first += 1
            self.file = self.fs.open("/%d" % self.last, "wb")
            self.used = 0
        self.file.write(payload)
        self.file.flush()
        self.used += len(payload)

    def idle(self):
        pass

    def consume(self):
        return 0


def run(candidate, nor, appends, payload, records, consume_every):
    """Append, idle and consume; returns figures as a dict."""
    nor.reset_counters()
    nor.inside_us = 0
    wear = list(nor.wear)
    worst_pages = worst_erases = 0
    busy_us = worst_us = 0
    reads = read_records = 0
    for i in range(appends):
        pages, erases, inside = nor.pages, nor.erases, nor.inside_us
        if i % 64 == 0:
            gc.collect()
        start = time.ticks_us()
        candidate.append(payload, records)
        spent = time.ticks_diff(time.ticks_us(), start) - (nor.inside_us - inside)
        busy_us += spent
        worst_us = max(worst_us, spent)
        worst_pages = max(worst_pages, nor.pages - pages)
        worst_erases = max(worst_erases, nor.erases - erases)
        candidate.idle()
        if consume_every and i % consume_every == consume_every - 1:
            before = nor.reads
            read_records += candidate.consume()
            reads += nor.reads - before
    worn = [after - before for before, after in zip(wear, nor.wear)]
    mean = sum(worn) / len(worn)
    return {
        "write_amplification": nor.programmed_bytes / (appends * len(payload)),
        "erases_per_1000": nor.erases / (appends * records) * 1000,
        "worst_pages": worst_pages,
        "worst_erases": worst_erases,
        "wear_spread": max(worn) / mean if mean else 0,
        "reads_per_record": reads / read_records if read_records else None,
        "ram_bytes": candidate.ram_bytes,
        "mean_us": busy_us / appends,
        "worst_us": worst_us,
    }


def mount_bytes(make, nor):
    """Bytes that a mount of what is on `nor` reads."""
    nor.reset_counters()
    make(nor)
    return nor.read_bytes


def main():
    """Print one line `name key=value ...` per candidate: the raw material of the bench-log table."""
    sectors = int(os.getenv("SECTORS") or 24)
    unit = int(os.getenv("UNIT") or 256)
    RingLog(Nor(4, unit))  # imports what is imported once
    for records in (1, 8):
        payload = BLOCK[: 32 * records]
        for name, make in (("ring", RingLog), ("littlefs", LittleFsLog)):
            nor = TimedNor(sectors, unit)
            candidate = make(nor)
            # the ring needs laps to show its wear; the file system needs patience instead
            appends = 16 * sectors * (3968 // (48 if records == 1 else 272)) if name == "ring" else 4000 // records
            figures = run(candidate, nor, appends, payload, records, 8)
            if name == "ring":
                figures["mount_bytes"] = mount_bytes(lambda n: FlashLog(n).mount(), nor)
            else:
                candidate.file.close()
                figures["mount_bytes"] = mount_bytes(lambda n: LittleFsLog(n, False), nor)
            line = " ".join(["%s=%s" % (key, figures[key]) for key in sorted(figures)])
            print("%s records=%d %s" % (name, records, line))


if __name__ == "__main__":
    main()
