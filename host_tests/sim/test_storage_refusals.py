"""Pinned blocks: whatever was done to their files is refused at the next start, with one clear line and no write.

The mutant compares contents only, as a restored backup satisfies: LittleFS then writes where the log does.
"""

import binascii
import os
import struct

import vfs

from flashlog.pinned import _owners, find_blocks
from storage_box import CHIPS, FILES, Life, Rng, blank, text_of
from storage_device import Device

HEAP_KB = 32768


def put(life, name, content):
    with open("%s/log/%s" % (life.root, name), "wb") as file:
        file.write(content)


def backup(life):
    return {name: life.read("log/" + name) for name in os.listdir(life.root + "/log")}


def restore(life):
    """What a technician does with a copy of the folder: the same bytes in every file."""
    for name, content in backup(life).items():
        put(life, name, content)


def restore_one(life):
    put(life, "004", life.read("log/004"))


def restore_after_format(life):
    """As after a defect: a new file system, other files first, then the folder from the copy.

    Where all files lie in their old blocks again, nothing is amiss; so this is repeated until they do not.
    """
    saved = backup(life)
    blocks = list(life.find())
    owned = blocks
    for others in range(3, 13):
        life.end()
        vfs.VfsLfs2.mkfs(Device(life.nor, life.chip[1]), **life.chip[2])
        life.__init__(life.chip, life.nor)
        for number in range(others):
            life.write("first%d" % number, bytes(5000))
        os.mkdir(life.root + "/log")
        for name in sorted(saved):
            put(life, name, saved[name])
        owned = list(_owners(life.device, vfs.VfsLfs2, FILES))
        if owned != blocks:
            return
    raise AssertionError("ten file systems gave the same blocks: %s" % owned)


def swap(life):
    for old, new in (("001", "x"), ("002", "001"), ("x", "002")):
        os.rename("%s/log/%s" % (life.root, old), "%s/log/%s" % (life.root, new))


def copy_over(life):
    put(life, "003", life.read("log/002"))


def append(life):
    with open(life.root + "/log/004", "ab") as file:
        file.write(b"x")


def cut_short(life):
    put(life, "004", life.read("log/004")[:3000])


def inline(life):
    put(life, "004", life.read("log/004")[:100])


def spoil_map(life):
    content = bytearray(life.read("log/map"))
    content[9] ^= 1
    put(life, "map", content)


def shorter_with_map(life):
    """A shorter file whose block is in the map, as no start makes it: appending would write to the block."""
    blocks = life.find()
    content = b"forged" * 500
    put(life, "004", content)
    blocks[4] = bytes(life.nor.memory).find(content) // 4096
    head = b"FgPin2" + struct.pack("<H", FILES) + bytes(blocks)
    put(life, "map", head + struct.pack("<I", binascii.crc32(head)))


def remove(name):
    return lambda life: os.remove("%s/log/%s" % (life.root, name))


REFUSED = (
    ("a file deleted", remove("004"), "log/004 is missing"),
    ("a file deleted and restored", restore_one, "log/004 does not own its block any more"),
    ("all files restored", restore, "log/000 does not own its block any more"),
    ("formatted, then restored", restore_after_format, "does not own its block any more"),
    ("a file copied over another", copy_over, "log/003 does not own its block any more"),
    ("two files swapped", swap, "log/001 does not own its block any more"),
    ("a file longer", append, "log/004 does not own its block any more"),
    ("a file shorter", cut_short, "log/004 does not own its block any more"),
    ("a file shorter and its block in the map", shorter_with_map, "log/004 does not own its block any more"),
    ("a file so short that it lies in the folder", inline, "log/004 does not own its block any more"),
    ("a file emptied", lambda life: put(life, "004", b""), "log/004 is missing"),
    ("map damaged", spoil_map, "log/map is damaged"),
    ("map emptied", lambda life: put(life, "map", b""), "log/map is damaged"),
    ("map deleted", remove("map"), "is in use but log/map is missing"),
)


def used(chip):
    """Flash with blocks that the log has used."""
    nor = blank(chip)
    life = Life(chip, nor)
    life.find()
    for number in range(FILES):
        life.fill(number, 3)
    life.end()
    return nor


def refusal(chip, nor, count=FILES):
    """What a start says; it must not write."""
    life = Life(chip, nor)
    try:
        life.find(count)
    except OSError as error:
        return text_of(error)
    finally:
        life.end()
        assert life.device.operations == 0, "a refusal wrote to the flash"
    return "accepted"


def test_every_change_of_the_files_is_refused():
    for chip in CHIPS:
        for what, change, expected in REFUSED:
            nor = used(chip)
            life = Life(chip, nor)
            change(life)
            life.end()
            said = refusal(chip, nor)
            assert said.startswith("flash log: ") and expected in said and "nothing was changed" in said, (what, said)


def test_another_number_of_blocks_is_refused():
    for chip in CHIPS:
        said = refusal(chip, used(chip), FILES + 1)
        assert said == "flash log: log/map names %d blocks, board.py %d; nothing was changed" % (FILES, FILES + 1), said


def test_a_formatted_file_system_begins_a_new_log():
    """Nothing is left to compare with; what was lost was lost by the format."""
    for chip in CHIPS:
        nor = used(chip)
        vfs.VfsLfs2.mkfs(Device(nor, chip[1]), **chip[2])
        life = Life(chip, nor)
        assert len(set(life.find())) == FILES
        life.end()


def test_somebody_elses_files_are_left_alone():
    for chip in CHIPS:
        nor = blank(chip)
        life = Life(chip, nor)
        os.mkdir(life.root + "/log")
        put(life, "002", bytes(4096))
        life.end()
        assert "log/002 is in use but log/map is missing" in refusal(chip, nor)


def test_no_room_is_refused_with_the_numbers():
    for chip in CHIPS:
        nor = blank(chip)
        life = Life(chip, nor)
        free = os.statvfs(life.root)[3]
        life.end()
        count = free - 12  # and then a sixteenth of them, which is 1 or 2
        spare = 12 + count // 16
        assert refusal(chip, nor, count) == (
            "flash log: %d blocks of 4096 bytes and %d spare ones are needed, the file system has %d free;"
            " nothing was changed" % (count, spare, free)
        )
        life = Life(chip, nor)
        life.find(free - spare)
        left = os.statvfs(life.root)[3]
        life.end()
        assert left >= 8, left


def test_many_blocks_leave_the_promised_room():
    for chip in CHIPS:
        for count in (8, 128, 352):
            nor = blank(chip, count + 80)
            life = Life(chip, nor)
            before = os.statvfs(life.root)[3]
            life.find(count)
            taken = before - os.statvfs(life.root)[3] - count
            life.end()
            life = Life(chip, nor)
            nor.reset_counters()
            life.find(count)
            life.end()
            print(
                "REPORT: %d pinned blocks on %s: the folder takes %d more blocks; a later start reads %d KB in %d reads"
                % (count, chip[0], taken, nor.read_bytes // 1024, nor.reads)
            )
            assert taken <= 4 + count // 16


def test_a_device_without_littlefs_is_refused():
    for chip in CHIPS:
        nor = blank(chip)
        life = Life(chip, nor)
        elsewhere = Device(nor, chip[1], 10)  # not what the file system lies on
        try:
            find_blocks(elsewhere, vfs.VfsLfs2, FILES, life.root)
        except OSError as error:
            assert "not LittleFS" in text_of(error)
        else:
            raise AssertionError("accepted")
        finally:
            life.end()
        assert not elsewhere.operations


def test_mutant_that_compares_contents_only_is_harmed():
    """A restored backup has the old contents, and so has the old block, until the file system needs it."""
    for chip in CHIPS:
        nor = used(chip)
        life = Life(chip, nor)
        blocks = life.find()
        restore(life)
        assert "does not own" in refusal(chip, nor)
        for number in range(FILES):  # what the mutant asks
            head = bytearray(32)
            nor.read(blocks[number], 0, head)
            assert bytes(head) == life.read("log/%03d" % number)[:32]
        bad = 0
        rng = Rng(3)
        for turn in range(60):
            life.write("f%d" % rng.below(9), bytes(4096))
            bad = sum(life.bad_pages(number, 3) for number in range(FILES))
            if bad:
                break
        life.end()
        assert bad, "the old blocks were never taken: the test shows nothing"
