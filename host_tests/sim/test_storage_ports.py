"""Storage of the rp2 and esp32 ports over stand-ins of their modules, and the flash log on each of them.

The stand-ins raise where the drivers do: writes that are not aligned to 256 bytes (rp2), places outside of the device,
errors with the driver's own numbers (esp32).
"""

import vfs

from flashlog.layout import LogMismatch
from flashlog.log import FlashLog
from nor import Nor
from storage_box import CHIPS, ESP32, RP2, Life, blank, text_of
from storage_device import Device, Esp32, FakePartition, Rp2, storage_of

HEAP_KB = 32768
ENTROPY = b"\x11\x22\x33\x44"


def refused(call, settings, root=""):
    try:
        call(settings, root)
    except OSError as error:
        return text_of(error)
    return "accepted"


def write_and_read(flash, first, boot):
    """A log there takes ten frames more and gives all back."""
    log = FlashLog(flash, entropy=ENTROPY)
    log.mount()
    assert log.begin_boot() == boot
    for i in range(first, first + 10):
        log.append(bytes([i]) * 300, 1)
    found = []
    while (payload := log.read()) is not None:
        found.append(payload[0])
        assert bytes(payload) == bytes([found[-1]]) * 300
    assert found == list(range(first + 10)), found


def test_log_on_pinned_blocks_of_both_ports():
    for chip in CHIPS:
        nor = blank(chip)
        for boot in (1, 2, 3):
            life = Life(chip, nor)
            if chip is RP2:
                module = Rp2(nor)
            else:
                module = Esp32(FakePartition(nor, "vfs", 0, nor.sectors))
            storage = storage_of(chip[0], module)
            settings = {"partition": "fglog", "sectors": 6, "pinned_files": 6}
            flash = storage.open_flash(settings, life.root)
            assert flash.sectors == 6 and flash.program_bytes == (256 if chip is RP2 else 16)
            write_and_read(flash, 10 * (boot - 1), boot)
            life.write("other%d" % boot, bytes(9000))
            life.end()


def test_sectors_count_where_the_board_names_no_pinned_files():
    nor = blank(ESP32)
    life = Life(ESP32, nor)
    storage = storage_of("esp32", Esp32(FakePartition(nor, "vfs", 0, nor.sectors)))
    assert storage.open_flash({"partition": "fglog", "sectors": 7}, life.root).sectors == 7
    said = refused(storage.open_flash, {"partition": "fglog", "sectors": 60, "pinned_files": 60}, life.root)
    life.end()
    assert "log/map names 7 blocks, board.py 60" in said


def test_log_in_a_partition():
    nor = Nor(20, 16)
    vfs.VfsLfs2.mkfs(Device(nor, 1, 0, 8))
    partition = FakePartition(nor, "fglog", 8, 12)
    storage = storage_of("esp32", Esp32(FakePartition(nor, "vfs", 0, 8), partition))
    settings = {"partition": "fglog", "sectors": 10, "program_bytes": 16}
    for boot in (1, 2):
        flash = storage.open_flash(settings)
        assert flash.sectors == 10 and flash.program_bytes == 16
        write_and_read(flash, 10 * (boot - 1), boot)
    assert not any(nor.wear[18:]), "sectors that board.py did not ask for were touched"
    vfs.VfsLfs2(Device(nor, 1, 0, 8))  # the files beside it are whole
    partition.failing = True
    for call in (lambda: flash.erase(0), lambda: flash.program(0, 0, bytes(16))):
        try:
            call()
        except OSError as error:
            assert error.errno == 5
        else:
            raise AssertionError("a failure of the chip was hidden")


def test_partitions_that_do_not_fit_are_refused():
    nor = Nor(20, 16)
    settings = {"partition": "fglog", "sectors": 10}
    cases = (
        ((FakePartition(nor, "fglog", 8, 9),), "partition fglog has 9 sectors, board.py asks for 10"),
        ((FakePartition(nor, "fglog", 8, 12, True),), "partition fglog is encrypted"),
        ((FakePartition(nor, "vfs", 8, 12, True),), "partition vfs is encrypted"),
        ((FakePartition(nor, "nvs", 0, 3),), "neither a partition fglog nor vfs"),
    )
    for partitions, expected in cases:
        storage = storage_of("esp32", Esp32(*partitions))
        assert expected in refused(storage.open_flash, settings), expected
    assert nor.programs == nor.erases == 0


def test_log_in_a_region():
    nor = Nor(40, 16)
    small = Device(nor, 256, 0, 30)
    vfs.VfsLfs2.mkfs(small, progsize=256)
    vfs.mount(vfs.VfsLfs2(small, progsize=256), "/image")
    storage = storage_of("rp2", Rp2(nor))
    for boot in (1, 2):
        flash = storage.open_flash({"region": [30, 8]}, "/image")
        assert flash.sectors == 8 and flash.program_bytes == 256
        write_and_read(flash, 10 * (boot - 1), boot)
    before = nor.programs + nor.erases
    for region in ([29, 8], [0, 40], [33, 8]):
        said = refused(storage.open_flash, {"region": region}, "/image")
        assert "region %d..%d of board.py" % (region[0], region[0] + region[1] - 1) in said
        assert "files take blocks 0..29 and the last block is 39" in said
    assert nor.programs + nor.erases == before
    with open("/image/file", "wb") as file:
        file.write(bytes(30000))
    write_and_read(storage.open_flash({"region": [30, 8]}, "/image"), 20, 3)
    vfs.umount("/image")


def test_foreign_content_is_never_formatted():
    nor = Nor(20, 16)
    storage = storage_of("esp32", Esp32(FakePartition(nor, "fglog", 8, 12)))
    nor.program(9, 0, b"somebody else's!" * 16)
    before = bytes(nor.memory)
    try:
        FlashLog(storage.open_flash({"partition": "fglog", "sectors": 10}), entropy=ENTROPY).mount()
    except LogMismatch:
        pass
    else:
        raise AssertionError("accepted")
    assert nor.memory == before


def test_the_stand_ins_refuse_what_the_drivers_refuse():
    for chip in CHIPS:
        device = Device(Nor(8, 16), chip[1])
        calls = [lambda: device.ioctl(6, 8), lambda: device.readblocks(7, bytearray(2), 4095)]
        if chip is RP2:
            calls += [lambda: device.writeblocks(0, bytes(16), 0), lambda: device.writeblocks(0, bytes(256), 16)]
        for call in calls:
            try:
                call()
            except ValueError:
                continue
            raise AssertionError("accepted")


class Rtc:
    """Stands in for machine.RTC: keeps what it is set to."""

    was_set_to = None

    def datetime(self, when):
        Rtc.was_set_to = when


class Machine:
    """Stands in for the module machine."""

    RTC = Rtc


def test_clock_of_esp32_counts_from_1970():
    import sys
    import time

    before = sys.modules.get("machine")
    sys.modules["machine"] = Machine
    sys.modules.pop("ports.esp32.clock", None)
    from ports.esp32 import clock

    class Time:
        ticks_ms = ticks_us = ticks_diff = ticks_add = None
        now_ns = 0
        epoch = 2000

        @classmethod
        def gmtime(cls, second):
            if second:
                assert second == 800000000
                return (2025, 5, 8, 6, 13, 20, 3, 128)
            return (cls.epoch, 1, 1, 0, 0, 0, 5, 1)

        @classmethod
        def time_ns(cls):
            return cls.now_ns

    try:
        clock.time = Time
        assert clock.Clock().utc_ms() is None
        Time.now_ns = 800000000 * 1000000000  # 2025-05-08T06:13:20Z, counted from 2000
        assert clock.Clock().utc_ms() == 1746684800000
        clock.Clock().set_utc_ms(1746684800123)
        assert Rtc.was_set_to == (2025, 5, 8, 3, 6, 13, 20, 123000)
        Time.epoch = 1970
        assert clock.Clock().utc_ms() is None
        Time.now_ns = 1746684800 * 1000000000
        assert clock.Clock().utc_ms() == 1746684800000
    finally:
        clock.time = time
        if before:
            sys.modules["machine"] = before
        else:
            sys.modules.pop("machine")
