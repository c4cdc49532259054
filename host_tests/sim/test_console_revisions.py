"""Commit, confirm and rollback: a power cut at every flash operation leaves the old configuration or the new one.

On MicroPython's own LittleFS over simulated NOR flash; the torn states are those of `fakes/nor.py` but the two that no
file system claims to survive, a fourth of them in turn. Old or new means both halves: a pair of files of
different revisions is the failure looked for.
"""

import os

from gateway import revisions
from storage_box import CHIPS, Life, blank, text_of

HEAP_KB = 32768
TIMEOUT_S = 150
EVERY = 4  # of the torn states of an operation one in so many is tried, in turn
NOT_CLAIMED = ("ghost", "weak")
PADDING = " " * 300


def text(half, tag):
    return '{"half": "%s", "tag": %d}%s' % (half, tag, PADDING)


def put(folder, tag):
    for half in revisions.HALVES:
        with open((folder + "/" if folder else "") + half, "w") as file:
            file.write(text(half, tag))


def tag_in(folder):
    """The revision that both halves belong to."""
    tags = []
    for half in revisions.HALVES:
        with open((folder + "/" if folder else "") + half) as file:
            content = file.read()
        tag = int(content[content.index("tag") + 6 : content.index("}")])
        assert content == text(half, tag), "damaged"
        tags.append(tag)
    assert tags[0] == tags[1], "halves of revisions %d and %d" % tuple(tags)
    return tags[0]


def power_on():
    """(tag of the configuration that a start uses, seconds of its trial)."""
    folder, trial_s, _ = revisions.start()
    return tag_in(folder), trial_s


class Flash:
    """A life of the box whose working folder is its file system."""

    def __init__(self, chip, nor):
        self.life = Life(chip, nor)
        os.chdir(self.life.root)

    def end(self):
        os.chdir("/")
        self.life.end()


def edit(tag):
    revisions.edit()
    put(revisions.EDIT, tag)
    revisions.note_change("tag: -> %d" % tag)


def commit(tag):
    edit(tag)
    revisions.commit("ot", "-", 600)


def goes_on(chip, nor, allowed, what):
    """After a cut: a start uses an allowed configuration, and a change can be made, tried, lost and kept."""
    flash = Flash(chip, nor)
    try:
        tag, _ = power_on()
        assert tag in allowed, "found %d, allowed %s" % (tag, allowed)
        if revisions.on_trial():
            revisions.roll_back("test")
            tag, _ = power_on()
            assert tag in allowed
        revisions.forget_candidate()
        commit(90)
        assert power_on() == (90, 600)
        assert power_on()[0] == tag, "an unconfirmed trial came back after a restart"
        commit(91)
        assert power_on() == (91, 600) and revisions.confirm()
        assert power_on() == (91, 0) and power_on() == (91, 0)
        assert len(revisions.numbers()) <= revisions.KEPT + 2
    finally:
        flash.end()


def base(chip):
    """A box that has seen ten revisions; tag 10 counts."""
    nor = blank(chip, 72)
    flash = Flash(chip, nor)
    put("", 0)
    for tag in range(1, 11):
        commit(tag)
        assert power_on() == (tag, 600) and revisions.confirm()
    flash.end()
    return nor


STEPS = (
    ("edit", lambda: edit(11), (10,)),
    ("commit", lambda: revisions.commit("ot", "-", 600), (10, 11)),
    ("first start", power_on, (10, 11)),
    ("confirm", revisions.confirm, (10, 11)),
    ("second commit", lambda: commit(12), (11, 12)),
    ("its start", power_on, (11, 12)),
    ("rollback", lambda: revisions.roll_back("test"), (11,)),
)


def test_a_cut_at_every_operation_leaves_the_old_or_the_new():
    for chip in CHIPS:
        cuts = {}
        where = ["", ()]
        turn = [0]
        operations = [0]

        def hook(device, kind, sector, offset, data):
            name, allowed = where
            tried = False
            operations[0] += 1
            for state, fork in device.nor.torn(kind, sector, offset, data):
                turn[0] += 1
                # Each operation is cut at least once.
                if state.split(".")[0] in NOT_CLAIMED or (tried and turn[0] % EVERY):
                    continue
                tried = True
                fork.weak.clear()
                cuts[name] = cuts.get(name, 0) + 1
                try:
                    goes_on(chip, fork, allowed, state)
                except (OSError, AssertionError, ValueError) as error:
                    raise AssertionError("%s: cut in %s, %s: %s" % (chip[0], name, state, text_of(error)))
                finally:
                    os.chdir(flash.life.root)
            assert tried, "%s of sector %d was not cut" % (kind, sector)

        flash = Flash(chip, base(chip))
        for name, step, allowed in STEPS:
            where[:] = (name, allowed)
            flash.life.device.on_operation = hook
            step()
            flash.life.device.on_operation = None
        assert tag_in(revisions.folder(revisions.now().current)) == 11
        flash.end()
        assert sum(cuts.values()) > 80 and all([cuts.get(name) for name, _, _ in STEPS]), cuts
        print(
            "REPORT: configuration on %s: %d power cuts at all of %d flash operations, each left the old or the new"
            " one: %s" % (
                chip[0], sum(cuts.values()), operations[0],
                ", ".join(["%s %d" % (name, cuts.get(name, 0)) for name, _, _ in STEPS]),
            )
        )  # fmt: skip


def test_the_oldest_revisions_are_dropped():
    chip = CHIPS[0]
    flash = Flash(chip, base(chip))
    for tag in range(11, 30):
        commit(tag)
        power_on()
        revisions.confirm()
    kept = sorted(revisions.numbers())
    assert len(kept) == revisions.KEPT and revisions.now().current == kept[-1], kept
    revisions.edit(kept[0])
    assert tag_in(revisions.EDIT) == tag_in(revisions.folder(kept[0]))
    assert revisions.about(kept[-1]) == ["ot -", "tag: -> 29"]
    flash.end()


def test_a_commit_without_room_changes_nothing():
    chip = CHIPS[0]
    flash = Flash(chip, base(chip))
    edit(11)
    number = 0
    try:
        while True:
            flash.life.write("fill%d" % number, bytes(3000))
            number += 1
    except OSError:
        pass
    before = sorted(revisions.numbers())
    try:
        revisions.commit("ot", "-", 600)
    except OSError:
        pass
    else:
        raise AssertionError("there was room")
    assert sorted(revisions.numbers()) == before and power_on() == (10, 0)
    flash.end()


def test_mutant_that_writes_the_halves_in_place_is_caught():
    """What a box without revisions does: both files of the root folder are overwritten, one after the other."""
    chip = CHIPS[0]
    nor = blank(chip, 72)
    flash = Flash(chip, nor)
    put("", 0)
    caught = []

    def hook(device, kind, sector, offset, data):
        for state, fork in device.nor.torn(kind, sector, offset, data):
            if state.split(".")[0] in NOT_CLAIMED:
                continue
            fork.weak.clear()
            other = Flash(chip, fork)
            try:
                tag_in("")
            except AssertionError as error:
                caught.append(str(error))
            finally:
                other.end()
                os.chdir(flash.life.root)

    flash.life.device.on_operation = hook
    put("", 1)
    flash.life.device.on_operation = None
    flash.end()
    assert caught, "the test cannot see a mixture"
