"""The power-cut sweep can fail: each of these defects, built into the log, is caught; the report says by which cut."""

import struct

from flashlog import layout, log, mount, reader, sectors
from flashlog.log import FlashLog
from flashlog_cuts import Sweep, Violation, random_script
from nor import Rng

HEAP_KB = 16384
TIMEOUT_S = 300


def caught(name, log_class=FlashLog, patches=(), depth=1, drop=True, idle=2, steps=24):
    """Run sweeps with the defect until an invariant breaks."""
    kept = []
    for owner, attribute, value in patches:
        kept.append((owner, attribute, getattr(owner, attribute)))
        setattr(owner, attribute, value)
    try:
        for unit in (16, 256):
            run = Sweep(Rng(31), log_class=log_class, depth=depth, second_every=20)
            try:
                script = random_script(Rng(31), steps, 6, idle)
                warm = [step for step in random_script(Rng(32), 60, 6, idle) if step != ("boot",)]
                run.run("start", script, 4, unit, drop)
                run.run("wrap", script, 4, unit, drop, warm=warm)
            except (Violation, OSError, AssertionError, ValueError) as error:
                print("REPORT: mutant: %s: %s" % (name, str(error) or repr(error)))
                return
    finally:
        for owner, attribute, value in kept:
            setattr(owner, attribute, value)
    raise AssertionError("not caught: " + name)


def test_the_log_itself_passes():
    try:
        caught("none")
    except AssertionError:
        return
    raise AssertionError("the unchanged log fails")


def test_crc_skipped():
    class NoCrc:
        """binascii whose CRC always fits what the frame says."""

        def crc32(self, data, seed=0):
            return self.stored

    fake = NoCrc()
    frame = reader.Frames._frame

    def unchecked(self, limit):
        view = self._view(layout.FRAME_HEADER_BYTES, limit)
        fake.stored = struct.unpack_from("<I", view, 0)[0]
        payload = frame(self, limit)
        return payload if view[6] in (1, 2, 3) else None

    caught("CRC skipped", patches=((reader, "binascii", fake), (reader.Frames, "_frame", unchecked)))


def test_erase_mark_of_an_earlier_boot_trusted():
    class Trusting(FlashLog):
        def mount(self):
            super().mount()
            sector = (self._s.newest + 1) % self.sectors
            if self._s.load(sector) == layout.ERASED:
                self._ahead = sector
                self._ahead_erases = self._s.erases

    caught("erased sector of an earlier boot trusted", Trusting, depth=2, idle=1)


def test_blank_sector_not_erased():
    erase = sectors.Sectors.erase

    class Lazy:
        def __init__(self, flash):
            self.flash = flash

        def __getattr__(self, name):
            return getattr(self.flash, name)

        def erase(self, sector):
            pass

    def lazy_erase(self, sector, wear_guess):
        flash = self.flash
        if self.blank(sector):
            self.flash = Lazy(flash)
        try:
            return erase(self, sector, wear_guess)
        finally:
            self.flash = flash

    caught("blank looking sector not erased", patches=((sectors.Sectors, "erase", lazy_erase),), steps=44)


def test_resume_gap_skipped():
    def at_once(s, end):
        page = s.last_page(s.newest)
        return end if page < end // 256 else min(4096, (page + 1) * 256)

    caught("resume gap skipped", patches=((mount, "_resume", at_once),))


def test_resume_gap_one_page_short():
    resume = mount._resume

    def short(s, end):
        offset = resume(s, end)
        return offset - 512 if offset > end + 512 else offset

    caught("resume gap too short after a torn write", patches=((mount, "_resume", short),))


def test_boot_mark_skipped():
    class Markless(FlashLog):
        def begin_boot(self):
            self._boot += 1
            self._writable = True
            return self._boot

    caught("boot mark skipped", Markless, depth=2)


def test_boot_mark_that_varies():
    count = [0]

    class Varying(FlashLog):
        def begin_boot(self):
            count[0] += 1
            self._boot += count[0] % 1000
            return super().begin_boot()

    caught("boot mark that is not the same bytes again", Varying, depth=2)


def test_append_returns_before_the_program():
    class Buffered(FlashLog):
        held = None

        def append(self, payload, records):
            if self.held:
                super().append(*self.held)
            self.held = (bytes(payload), records)

    caught("append returns before the program", Buffered)


def test_acknowledgement_kept_in_ram():
    class Forgetful(FlashLog):
        def ack(self, position):
            write, self._write = self._write, lambda kind, records, body: True
            try:
                return super().ack(position)
            finally:
                self._write = write

    caught("acknowledgement not written", Forgetful)


def test_acknowledged_before_it_is_read():
    class Hasty(FlashLog):
        def read(self):
            payload = super().read()
            if payload is not None and self._writable:
                payload = bytes(payload)
                super().ack(self.position())
            return payload

    caught("acknowledged when read", Hasty)


def test_sector_freed_early():
    class Early(FlashLog):
        def _move_head(self, drop=False):
            super()._move_head(drop)
            if self._head_sequence < self._s.newest_sequence:
                self._head = self._reader.live_after(self._head, self._head_sequence)
                self._head_sequence = self._s.sequence

    caught("sector freed early", Early, drop=False)


def test_drop_not_counted():
    class Silent(FlashLog):
        def _move_head(self, drop=False):
            dropped = self.stats.dropped
            super()._move_head(drop)
            self.stats.dropped = dropped

    caught("drop-oldest not counted", Silent)


def test_drop_count_not_kept():
    class Forgetful(FlashLog):
        def _ack_body(self):
            self._dropped_on_flash = self.stats.dropped
            return super()._ack_body()

    caught("dropped count left out of acknowledgements", Forgetful)


def test_acknowledgements_not_read_at_mount():
    caught("acknowledgement frames ignored by mount", patches=((mount, "ACK", 99),))


def test_open_record_without_acknowledged_place():
    opened = sectors.Sectors.open

    def forget(self, sector, sequence, hi, lo, behind, back, boot, erases):
        opened(self, sector, sequence, hi, lo, 0, back, boot, erases)

    caught("open record without the acknowledged place", patches=((sectors.Sectors, "open", forget),))


def test_same_seed_on_every_lap_with_a_short_erase():
    """Frames of an earlier lap must not pass: shown with an erase that spares the second half."""

    def half(flash, sector):
        keep = bytes(flash.memory[sector * 4096 + 2048 : sector * 4096 + 4096])
        flash._set_sector(sector, b"\xff" * 2048 + keep)
        flash.weak.discard(sector)

    erase = sectors.Sectors.erase

    def half_erase(self, sector, wear_guess):
        flash = self.flash
        full, flash.erase = flash.erase, lambda number: half(flash, number)
        blank, self.blank = self.blank, lambda number: True
        try:
            return erase(self, sector, wear_guess)
        finally:
            flash.erase = full
            self.blank = blank

    patches = ((sectors.Sectors, "erase", half_erase), (sectors.Sectors, "program", unverified))
    same = lambda log_id, sequence: 1  # noqa: E731
    seeds = tuple([(module, "sector_seed", same) for module in (layout, mount, reader)])
    caught("half an erase, and one CRC seed for all laps", patches=patches + seeds)


def unverified(self, sector, offset, body, head=b""):
    """Sectors.program without reading back."""
    data = bytes(head) + bytes(body)
    unit = self.flash.program_bytes
    start = offset & -unit
    end = (offset + len(data) + unit - 1) & -unit
    image = bytearray(b"\xff" * (end - start))
    image[offset - start : offset - start + len(data)] = data
    self.flash.program(sector, start, image)


def test_reader_stops_at_damage():
    def stop(self, limit):
        if self._seed is None:
            self._seed = layout.sector_seed(self._s.log_id, self._number)
        if self.offset + 16 > limit:
            return None
        payload = self._frame(limit)
        if payload is not None:
            self.offset += self.size
        return payload

    caught("reader stops at the first damage", patches=((reader.Frames, "next_frame", stop),))


def test_reader_takes_acknowledged_frames():
    diff = reader.number_diff

    def never_before(a_hi, a_lo, b_hi, b_lo):
        return max(0, diff(a_hi, a_lo, b_hi, b_lo))

    caught("acknowledged frames read again", patches=((reader, "number_diff", never_before),))


def test_newest_sector_by_place():
    survey = mount._survey

    def last_place(self):
        newest, sequence = survey(self)
        s = self._s
        for sector in range(s.count):
            if s.load(sector) == layout.OPEN:
                newest, sequence = sector, s.sequence
        return newest, sequence

    caught("newest sector taken by place, not by sequence", patches=((mount, "_survey", last_place),))


def test_log_module_is_the_one_tested():
    assert log.FlashLog is FlashLog
