"""The flash log on an external SPI NOR chip: the driver against a stand-in that does what the data sheet says."""

import sys

from flashlog.log import FlashLog
from flashlog.pinned import BLOCK_BYTES  # noqa: F401 (the rp2 port loads it)
from nor import Nor, Rng
from ports.spi_nor import SpiNor, open_chip
from spi_chip import Chip
from storage_device import Rp2, storage_of

HEAP_KB = 16384
SECTORS = 8


def flash_on(nor, **settings):
    chip = Chip(nor, **settings)
    return chip, SpiNor(chip, chip.select, SECTORS)


def refusal(chip, sectors=SECTORS):
    before = bytes(chip.nor.memory)
    try:
        SpiNor(chip, chip.select, sectors)
    except OSError as error:
        assert chip.nor.memory == before
        return error.args[1] if len(error.args) > 1 else error.errno
    raise AssertionError("accepted")


def test_it_behaves_as_nor_flash():
    """The same calls on the driver and on the simulator leave the same cells."""
    chip, flash = flash_on(Nor(SECTORS, 16))
    model = Nor(SECTORS, 16)
    rng = Rng(4)
    for _ in range(400):
        sector = rng.below(SECTORS)
        if rng.below(6) == 0:
            flash.erase(sector)
            model.erase(sector)
        else:
            offset = 16 * rng.below(256)
            data = bytes([rng.getrandbits(8) for _ in range(16 * (1 + rng.below(min(60, 256 - offset // 16))))])
            flash.program(sector, offset, data)
            model.program(sector, offset, data)
        offset = rng.below(4000)
        found = bytearray(1 + rng.below(96))
        flash.read(sector, offset, found)
        assert found == memoryview(model.memory)[sector * 4096 + offset :][: len(found)]
    assert chip.nor.memory == model.memory and chip.ignored == 0


def test_the_log_lives_on_it():
    nor = Nor(SECTORS, 16)
    number = 0
    for boot in (1, 2, 3):
        chip, flash = flash_on(nor)
        log = FlashLog(flash, entropy=b"spi!")
        log.mount()
        assert log.begin_boot() == boot
        kept = []
        while True:
            payload = log.read()
            if payload is None:
                break
            kept.append(int.from_bytes(payload[:4], "little"))
        assert kept == list(range(kept[0], number) if kept else ())
        for _ in range(150):
            log.append(number.to_bytes(4, "little") * 40, 1)
            log.idle()
            number += 1
        assert log.depth() + log.stats.dropped == number and not log.stats.retired
        assert chip.ignored == 0


def test_what_does_not_fit_is_refused_before_anything_is_written():
    assert "no SPI flash answers" in refusal(Chip(Nor(8, 16), b"\xff\xff\xff"))
    assert "no SPI flash answers" in refusal(Chip(Nor(8, 16), b"\0\0\0"))
    assert refusal(Chip(Nor(8, 16)), 513) == (
        "flash log: the SPI flash has 512 sectors, board.py asks for 513; nothing was changed"
    )
    assert "has 4096 sectors" in refusal(Chip(Nor(8, 16), b"\xef\x40\x19"), 4097)  # beyond three bytes of address
    chip = Chip(Nor(8, 16))
    chip.protection = 0x1C
    assert "write-protected (status 1c)" in refusal(chip)


def test_a_chip_that_never_finishes_is_an_error():
    chip, flash = flash_on(Nor(SECTORS, 16))
    chip.busy_polls = 1 << 30
    for call in (lambda: flash.program(0, 0, bytes(16)), lambda: flash.erase(1)):
        chip._busy = 0
        try:
            call()
        except OSError as error:
            assert error.errno == 5
        else:
            raise AssertionError("accepted")


def test_a_sector_that_fails_is_retired_by_the_log():
    nor = Nor(SECTORS, 16)
    nor.silent_erase = {3}
    _, flash = flash_on(nor)
    log = FlashLog(flash, entropy=b"spi!")
    log.mount()
    log.begin_boot()
    for number in range(300):
        log.append(number.to_bytes(4, "little") * 40, 1)
        log.idle()
    nor.rot(3, 100, 1) if hasattr(nor, "rot") else None
    for number in range(300, 700):
        log.append(number.to_bytes(4, "little") * 40, 1)
        log.idle()
    assert log.stats.retired == 1


class Pin:
    OUT = 1

    def __new__(cls, number, mode=None, value=None):
        return Machine.chip.select if value is not None else number


class Machine:
    """Stands in for the module machine."""

    Pin = Pin
    chip = None
    asked = None

    @classmethod
    def SPI(cls, number, **settings):  # noqa: N802 (MicroPython's name)
        cls.asked = (number, settings)
        return cls.chip


def test_a_board_names_it():
    wires = {"spi": 0, "sck": 18, "mosi": 19, "miso": 16, "cs": 17, "baud": 20000000}
    settings = {"spi_nor": wires, "sectors": SECTORS, "program_bytes": 16}
    before = sys.modules.get("machine")
    sys.modules["machine"] = Machine
    try:
        Machine.chip = Chip(Nor(SECTORS, 16))
        assert open_chip(settings).sectors == SECTORS
        assert Machine.asked == (0, {"baudrate": 20000000, "sck": 18, "mosi": 19, "miso": 16})
        Machine.chip = Chip(Nor(SECTORS, 16))
        own = Nor(8, 16)
        assert storage_of("rp2", Rp2(own)).open_flash(settings).sectors == SECTORS
        assert own.programs == own.erases == 0
    finally:
        if before:
            sys.modules["machine"] = before
        else:
            sys.modules.pop("machine")
