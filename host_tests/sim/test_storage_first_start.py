"""Pinned blocks: a power cut at every flash operation of the first start is mended by the next one.

On MicroPython's own LittleFS over simulated NOR flash, with the mount parameters of both chips. Each operation is cut
in every torn state that `fakes/nor.py` names but the two no file system claims to survive (ghost, weak); every third
time the start after the cut is cut as well.
"""

from storage_box import CHIPS, FILES, KEPT, CutAt, Life, Rng, blank, text_of

HEAP_KB = 32768
TIMEOUT_S = 300
NOT_CLAIMED = ("ghost", "weak")


def survives(chip, nor, rng, second):
    """A start on that flash, before it perhaps one that is cut; then blocks and files must be usable. What was cut."""
    if second:
        life = Life(chip, nor)
        life.device.on_operation = CutAt(rng.below(60), rng)
        try:
            life.find()
        except OSError:
            assert life.device.dead
        finally:
            life.end()
    life = Life(chip, nor)
    try:
        life.find()
        assert len(set(life.blocks)) == FILES
        for number in range(FILES):
            for offset in (0, 2048, 4080):
                found = bytearray(16)
                nor.read(life.blocks[number], offset, found)
                assert found == b"\xff" * 16, "not blank"
        for number in range(FILES):
            life.fill(number, 1)
        life.write("new", b"n" * 9000)
        assert sum(life.bad_pages(number, 1) for number in range(FILES)) == 0
    finally:
        life.end()
    life = Life(chip, nor)
    try:
        before = life.device.operations
        life.find()
        assert life.device.operations == before, "a later start writes nothing"
        assert sum(life.bad_pages(number, 1) for number in range(FILES)) == 0
        for name, content in KEPT.items():
            assert life.read(name) == content, name
        assert life.read("new") == b"n" * 9000
    finally:
        life.end()


def test_a_cut_at_every_operation_of_the_first_start_is_mended():
    for chip in CHIPS:
        rng = Rng(7)
        states = {}
        seen = [0, 0]

        def hook(device, kind, sector, offset, data):
            seen[0] += 1
            for state, fork in device.nor.torn(kind, sector, offset, data):
                state = state.split(".")[0]  # "half.2": the same in a later page of the operation
                if state in NOT_CLAIMED:
                    continue
                fork.weak.clear()
                seen[1] += 1
                states[state] = states.get(state, 0) + 1
                try:
                    survives(chip, fork, rng, seen[1] % 3 == 0)
                except (OSError, AssertionError) as error:
                    raise AssertionError("%s, operation %d, %s: %s" % (chip[0], seen[0], state, text_of(error)))

        life = Life(chip, blank(chip))
        life.device.on_operation = hook
        life.find()
        life.end()
        assert seen[0] > 40 and seen[1] > 200, seen
        print(
            "REPORT: pinned blocks on %s: %d cuts in the %d operations of a first start of %d files, all mended: %s"
            % (chip[0], seen[1], seen[0], FILES, ", ".join("%s %d" % each for each in sorted(states.items())))
        )
