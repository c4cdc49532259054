"""Mutants of flashlog.pinned: each leaves one precaution out, and the cuts or the refusals must catch it.

The mutants run through the same checks as the original does in the other files; the original passes them here, too.
"""

import test_storage_first_start as first_start
import test_storage_refusals as refusals

import storage_box
from flashlog import pinned
from storage_box import RP2, Life, Rng, blank, text_of

HEAP_KB = 32768
TIMEOUT_S = 300

MUTANTS = (
    ("the map is complete before the blocks are erased", "_write_map(root + _MAP_NEW,", "_write_map(root + _MAP,"),
    ("an empty new map is a damaged one", "if not content and name == _MAP_NEW:", "if False:"),
    ("an empty file is somebody else's", "if size == 0:", "if False:"),
    ("the folder must not be there", "if error.errno != errno.EEXIST:", "if True:"),
    ("files without map are made anew", "= _missing(device, littlefs, count)\n    free", "= range(count)\n    free"),
    ("the owner of a block is not asked", "if block != blocks[number]:", "if False:"),
    ("the mark is not looked at", "if block < 0 or found != _MARK % number:", "if False:"),
    ("the map's check is not looked at", "or binascii.crc32(content[:end]) != struct", "or False and struct"),
    ("the size is not looked at", "and size == BLOCK_BYTES else", "else"),
    ("no room is kept for the box's own files", "if free < len(missing) + spare:", "if free < len(missing):"),
)  # fmt: skip


def mutated(old, new):
    """find_blocks of a copy of the module in which `new` stands for `old`; raises if `old` is not there once."""
    with open(pinned.__file__) as file:
        text = file.read()
    assert text.count(old) == 1, old
    names = {"__name__": "mutant"}
    exec(text.replace(old, new), names)
    return names["find_blocks"]


def cut_somewhere():
    """Every operation of a first start, cut in one random state each; raises when a start does not mend it."""
    rng = Rng(5)
    nor = blank(RP2)

    def hook(device, kind, sector, offset, data):
        forks = [
            fork
            for state, fork in device.nor.torn(kind, sector, offset, data)
            if state.split(".")[0] not in first_start.NOT_CLAIMED
        ]
        for _ in range(2):
            fork = forks[rng.below(len(forks))].fork()
            fork.weak.clear()
            first_start.survives(RP2, fork, rng, False)

    life = Life(RP2, nor)
    life.device.on_operation = hook
    try:
        life.find()
    finally:
        life.device.dead = True  # a file that the failure left open writes nothing later
        life.end()


def checks():
    """The first check that fails: its name and why; None if all pass."""
    for check in (
        cut_somewhere,
        refusals.test_every_change_of_the_files_is_refused,
        refusals.test_somebody_elses_files_are_left_alone,
        refusals.test_no_room_is_refused_with_the_numbers,
    ):
        depth = Life.depth
        try:
            check()
        except (AssertionError, OSError, ValueError, IndexError) as error:
            while Life.depth > depth:  # what the failing check left mounted
                Life.depth -= 1
                storage_box.vfs.umount("/storage%d" % Life.depth)
            return check.__name__, text_of(error)
    return None


def test_the_original_passes():
    assert checks() is None


def test_every_mutant_is_caught():
    original = storage_box.find_blocks
    try:
        for what, old, new in MUTANTS:
            storage_box.find_blocks = mutated(old, new)
            caught = checks()
            assert caught, "not caught: " + what
            print("REPORT: pinned blocks, mutant '%s' caught by %s" % (what, caught[0]))
    finally:
        storage_box.find_blocks = original
