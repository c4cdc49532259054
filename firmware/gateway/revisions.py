"""Keeps the configurations: the one in use, one on trial, the last ten; a cut at any moment leaves one of them whole.

A revision is a folder config/<n> with ot.json, it.json and `about` (one line: author, time; then the changes). The file
config/now says which one counts; it is replaced by a rename, which LittleFS and POSIX do as one step, so the pair of
halves changes at once. Without it the two files in the root folder count, as a new box has them.

`now` holds one line: current, before, trial seconds (0: confirmed), state. A trial's first start writes "running"
behind it; a start that finds it running knows that the trial ended in a power cut or a crash, and goes back. So
settings that lock everybody out, or with which the box cannot even start, undo themselves. The first configuration of
a blank box has none to go back to: its state is "first", and the first start that succeeds with it confirms it.
"""

import os

FOLDER = "config"
NOW = FOLDER + "/now"
EDIT = FOLDER + "/edit"  # the candidate: ot.json, it.json
CHANGES = EDIT + "/changes"  # a line for each change; without it there is no candidate
HALVES = ("ot.json", "it.json")
KEPT = 10
FIRST = -1  # what `start` gives as trial of a first configuration
_ABOUT = "about"
_COSTS = "costs"
# What a blank box has as candidate before somebody types a word.
_BLANKS = (
    '{"format": 1, "owner": "ot", "revision": 1, "buses": []}',
    '{"format": 1, "owner": "it", "revision": 1, "place": {}, "mqtt": {"brokers": []}}',
)


class Now:
    """What config/now says. current 0: the root folder's files."""

    def __init__(self, current=0, before=0, trial_s=0, state="kept"):
        self.current = current
        self.before = before
        self.trial_s = trial_s
        self.state = state


def now():
    """What counts; a file that cannot be read is as none: the rename makes it whole or leaves the old one."""
    try:
        with open(NOW) as file:
            words = file.read().split()
        return Now(int(words[0]), int(words[1]), int(words[2]), words[3])
    except (OSError, ValueError, IndexError):
        return Now()


def folder(number):
    """Where revision `number` lies; "" for 0."""
    return "%s/%d" % (FOLDER, number) if number else ""


def blank(path=None):
    """True when a half of the configuration in folder `path` (of the one that counts) is missing or empty."""
    if path is None:
        path = folder(now().current)
    for half in HALVES:
        try:
            with open(path + "/" + half if path else half, "rb") as file:
                if file.read(32).strip() in (b"", b"{}", b"null"):
                    return True
        except OSError:
            return True
    return False


def _put(state):
    with open(NOW + ".new", "w") as file:
        file.write("%d %d %d %s\n" % (state.current, state.before, state.trial_s, state.state))
    os.rename(NOW + ".new", NOW)


def start():
    """At power-on: (folder of the configuration to load, seconds of its trial, 0 or FIRST, line to print or "")."""
    state = now()
    if state.state == "running":
        roll_back("the trial ended before it was confirmed")
        state = now()
        return folder(state.current), 0, "config: not confirmed, revision %d is back" % state.current
    if state.state == "trial":
        state.state = "running"
        _put(state)
        return folder(state.current), state.trial_s, ""
    if state.state == "first":
        state.state = "running"
        _put(state)
        return folder(state.current), FIRST, ""
    return folder(state.current), 0, ""


def on_trial():
    """True while the configuration in use waits for `confirm`."""
    return now().state in ("trial", "running")


def commit(author, when, trial_s, costs=()):
    """The candidate becomes the current revision, on trial for `trial_s` seconds from the next start; its number.
    Where there is none to go back to it is not on trial. costs: lines that are kept with it.

    Raises OSError when there is no room; then nothing has changed.
    """
    state = now()
    number = max([0] + numbers()) + 1
    target = folder(number)
    os.mkdir(target)
    try:
        for half in HALVES:
            copy(EDIT + "/" + half, target + "/" + half)
        with open(target + "/" + _ABOUT, "w") as file:
            file.write("%s %s\n" % (author, when))
            _copy_changes(file)
        with open(target + "/" + _COSTS, "w") as file:
            for line in costs:
                file.write(line + "\n")
    except OSError:
        remove(target)
        raise
    before = state.before if state.state in ("trial", "running") else state.current
    _put(Now(number, before, trial_s, "first" if blank(folder(before)) else "trial"))
    forget_candidate()
    return number


def confirm():
    """The trial is over, its configuration stays. False when none runs."""
    state = now()
    if state.state not in ("trial", "running"):
        return False
    _put(Now(state.current, 0, 0, "kept"))
    kept = sorted(numbers())
    for number in kept[: max(0, len(kept) - KEPT)]:
        if number != state.current:
            remove(folder(number))
    return True


def roll_back(why):
    """Back to what counted before the trial. False when none runs. The failed revision stays, to be looked at."""
    state = now()
    if state.state not in ("trial", "running"):
        return False
    _put(Now(state.before, 0, 0, "kept"))
    try:
        with open(folder(state.current) + "/" + _ABOUT, "a") as file:
            file.write("rolled back: %s\n" % why)
    except OSError:
        pass  # a note for people; the roll-back itself has happened
    return True


def numbers():
    """Numbers of the revisions that are kept, in no order."""
    try:
        return [int(name) for name in os.listdir(FOLDER) if name.isdigit()]
    except OSError:
        return []


def about(number):
    """Lines about a revision: who, when, what; empty when nothing is known."""
    return _lines(folder(number) + "/" + _ABOUT)


def costs(number):
    """What revision `number` cost when it was committed, as lines; empty when nothing is known."""
    return _lines(folder(number) + "/" + _COSTS)


def _lines(path):
    try:
        with open(path) as file:
            return [line.rstrip() for line in file]
    except OSError:
        return []


# The candidate


def has_candidate():
    """True when there is something to commit."""
    return exists(CHANGES)


def edit(number=None):
    """Make the candidate from revision `number`, or from what counts now if there is none yet."""
    if number is None:
        if has_candidate():
            return
        number = now().current
    source = folder(number)
    for path in (FOLDER, EDIT):
        if not exists(path):
            os.mkdir(path)
    forget_candidate()
    for half, text in zip(HALVES, _BLANKS):
        try:
            copy(source + "/" + half if source else half, EDIT + "/" + half)
            empty = os.stat(EDIT + "/" + half)[6] < 8  # not even "format"
        except OSError:
            empty = True
        if empty:
            with open(EDIT + "/" + half, "w") as file:
                file.write(text)


def forget_candidate():
    """Drop what was not committed."""
    for name in (CHANGES, EDIT + "/" + HALVES[0], EDIT + "/" + HALVES[1]):
        try:
            os.remove(name)
        except OSError:
            pass  # was not there


def note_change(line):
    """Remember a change of the candidate for `diff` and the record of its revision."""
    with open(CHANGES, "a") as file:
        file.write(line + "\n")


def changes():
    """Lines of `note_change`, one by one: a new box's are 170, and a list of them does not fit beside the polling."""
    try:
        with open(CHANGES) as file:
            for line in file:
                yield line.rstrip()
    except OSError:
        return


def _copy_changes(file):
    for line in changes():
        file.write(line + "\n")


# Files


def exists(path):
    """True for a file or folder."""
    try:
        os.stat(path)
        return True
    except OSError:
        return False


def copy(source, target):
    """Copy a file piece by piece."""
    buf = bytearray(256)
    view = memoryview(buf)
    with open(source, "rb") as old, open(target, "wb") as new:
        while True:
            count = old.readinto(buf)
            if not count:
                return
            new.write(view[:count])


def remove(path):
    """Remove a folder of files."""
    for name in os.listdir(path):
        os.remove(path + "/" + name)
    os.rmdir(path)
