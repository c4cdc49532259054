"""A random life of a file system with pinned blocks in it: files and blocks used by turns, power cuts in between.

Counts what went wrong in both: pages of the blocks that changed, files that are not what was written. MicroPython only.
"""

import os

from storage_box import FILES, KEPT, CutAt, Life

STEPS = ("write", "write", "write", "rename", "delete", "fill_up", "use", "use", "remount", "append", "folder")


class Strain:
    """cut_each: about one of so many steps is cut; 0: none."""

    def __init__(self, chip, nor, rng, cut_each):
        self.chip = chip
        self.nor = nor
        self.rng = rng
        self.cut_each = cut_each
        self.turns = [0] * FILES  # what each block holds; None after a cut: anything
        self.expected = dict(KEPT)  # name -> content; a tuple of the possible ones after a cut
        self.done = {}
        self.cuts = 0
        self.bad_pages = 0
        self.bad_files = 0
        self.life = Life(chip, nor)
        self.blocks = self.life.find()
        for number in range(FILES):
            self.life.fill(number, 0)

    def run(self, steps):
        """Ends early when something went wrong: a damaged file system is no place to go on in."""
        for _ in range(steps):
            step = STEPS[self.rng.below(len(STEPS))]
            will_be_cut = self.cut_each and self.rng.below(self.cut_each) == 0
            if will_be_cut:
                self.life.device.on_operation = CutAt(self.rng.below(12), self.rng)
            try:
                getattr(self, step)()
            except OSError as error:
                assert self.life.device.dead or error.errno == 28, error
            self.done[step] = self.done.get(step, 0) + 1
            if self.life.device.dead:
                self.cuts += 1
                self.remount()
            self.life.device.on_operation = None
            self.check()
            if self.bad_pages or self.bad_files:
                break
        self.life.end()

    def check(self):
        for number in range(FILES):
            if self.turns[number] is not None:
                self.bad_pages += self.life.bad_pages(number, self.turns[number])
        for name, allowed in self.expected.items():
            found = self.life.read(name)
            if isinstance(allowed, tuple):
                self.bad_files += found not in allowed
                self.expected[name] = found
            else:
                self.bad_files += found != allowed

    # -- steps ------------------------------------------------------------------------------

    def some_name(self):
        return "f%d" % self.rng.below(7)

    def change(self, name, content):
        """Until the operation has returned both contents are possible."""
        before = self.expected.get(name)
        self.expected[name] = (before, content)
        return before

    def put(self, name, content):
        before = self.change(name, content)
        try:
            self.life.write(name, content)
        except OSError:
            # Opening for writing makes the file empty before anything else.
            self.expected[name] = (before, content, b"")
            raise
        if not self.life.device.dead:
            self.expected[name] = content

    def write(self):
        size = (40, 300, 700, 4096, 9000)[self.rng.below(5)] + self.rng.below(40)
        self.put(self.some_name(), bytes([self.rng.below(256)]) * size)

    def append(self):
        name = self.some_name()
        before = self.expected.get(name) or b""
        self.change(name, before + b"more")
        if not before:
            self.expected[name] = (None, b"", b"more")
        with open(self.life.root + "/" + name, "ab") as file:
            file.write(b"more")
        if not self.life.device.dead:
            self.expected[name] = before + b"more"

    def rename(self):
        old, new = self.some_name(), self.some_name()
        content = self.expected.get(old)
        if content is None or old == new:
            return
        before = self.change(new, content)
        self.expected[old] = (content, None)
        os.rename(self.life.root + "/" + old, self.life.root + "/" + new)
        if not self.life.device.dead:
            self.expected[old], self.expected[new] = None, content
        else:
            self.expected[new] = (before, content)

    def delete(self):
        name = self.some_name()
        if self.expected.get(name) is not None:
            self.change(name, None)
            os.remove(self.life.root + "/" + name)
            if not self.life.device.dead:
                self.expected[name] = None

    def folder(self):
        """Many small files in a folder and out again: its metadata is compacted, split and moved."""
        path = self.life.root + "/d"
        try:
            os.mkdir(path)
        except OSError as error:
            if error.errno != 17:
                raise
        for i in range(12):
            with open("%s/%d" % (path, i), "wb") as file:
                file.write(bytes(200))
        for i in range(12):
            os.remove("%s/%d" % (path, i))

    def fill_up(self):
        """Write files until none fits, then remove them."""
        count = 0
        full = False
        try:
            while count < 100:
                self.life.write("big%d" % count, bytes(4096))
                count += 1
        except OSError as error:
            full = error.errno == 28
            if not full:
                raise
        finally:
            # After a cut the next life removes what is left.
            for name in self.life.names() if not self.life.device.dead else ():
                if name.startswith("big"):
                    os.remove(self.life.root + "/" + name)
        assert full, "never full"

    def use(self):
        """Erase and program one block behind the file system's back."""
        number = self.rng.below(FILES)
        turn = self.rng.below(1000)
        self.turns[number] = None
        self.life.fill(number, turn)
        if not self.life.device.dead:
            self.turns[number] = turn

    def remount(self):
        """Power off and on."""
        self.life.end()
        self.life = Life(self.chip, self.nor)
        before = self.life.device.operations
        assert self.life.find() == self.blocks and self.life.device.operations == before
        for name in self.life.names():
            if name.startswith("big"):
                os.remove(self.life.root + "/" + name)
