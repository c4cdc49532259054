"""Pinned blocks under strain: nothing that happens to the file system changes a block, nothing in a block the files.

Seeded random lives of both chips' LittleFS: files written, appended to, renamed, deleted, the file system filled until
nothing fits, mounted anew, cut at random operations; the blocks erased and programmed raw by turns. The control is a
mutant whose blocks files do not own: the same life must damage it.
"""

import os

from storage_box import CHIPS, FILES, Rng, blank
from storage_strain import Strain

HEAP_KB = 32768
TIMEOUT_S = 300
STEPS = 700


def test_neither_blocks_nor_files_are_harmed():
    for chip in CHIPS:
        strain = Strain(chip, blank(chip), Rng(11), 5)
        strain.run(STEPS)
        print(
            "REPORT: pinned blocks on %s: %d steps, %d cuts, %d flash operations, at most %d erases of a block:"
            " %d bad pages, %d bad files (%s)"
            % (
                chip[0],
                STEPS,
                strain.cuts,
                strain.nor.programs + strain.nor.erases,
                max(strain.nor.wear),
                strain.bad_pages,
                strain.bad_files,
                ", ".join("%s %d" % each for each in sorted(strain.done.items())),
            )
        )
        assert strain.cuts > 20 and strain.done["fill_up"] > 10
        assert (strain.bad_pages, strain.bad_files) == (0, 0)


def test_blocks_that_no_file_owns_are_harmed():
    for chip in CHIPS:
        strain = Strain(chip, blank(chip), Rng(11), 0)
        for number in range(FILES):
            os.remove("%s/log/%03d" % (strain.life.root, number))
        strain.remount = lambda: None  # a start would refuse
        strain.run(120)
        assert strain.bad_pages, chip
