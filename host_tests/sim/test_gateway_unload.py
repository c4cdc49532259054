"""What is given back where memory has run out: modules, without more than a crumb of it."""

import gc
import sys

from full_heap import fill
from gateway import unload

HEAP_KB = 400
CRUMBS = 200


class Exhausted:
    """As long as it is entered nothing is free but CRUMBS / 2 holes, each of which takes a short text."""

    def __enter__(self):
        gc.collect()
        self._crumbs = [bytearray(16) for _ in range(CRUMBS)]
        self._held = fill(4096, 256, 64, 16, 1)
        for i in range(0, CRUMBS, 2):
            self._crumbs[i] = None

    def __exit__(self, *error):
        self._crumbs = self._held = None


def fits(size):
    try:
        bytearray(size)
        return True
    except MemoryError:
        return False


def test_the_starters_go_where_there_is_no_room_in_one_piece():
    import gateway.config
    import gateway.forms

    assert "gateway.config" in sys.modules
    del gateway
    with Exhausted():
        large = fits(512)
        unload.starters()
        after = fits(512)
    assert not large, "the test itself: there was room"
    assert "gateway.config" not in sys.modules and "gateway.forms" not in sys.modules
    assert after, "and its memory is there"


def test_every_name_is_that_of_a_module():
    """A space too few would join two of them."""
    names = unload._STARTERS.split()
    assert unload._STARTERS == " ".join(names) + " "
    assert len(names) > 30 and len(set(names)) == len(names)
    for name in names:
        assert name.replace(".", "").replace("_", "").replace("rp2", "").isalpha(), name
