"""Modules out of one file: `code.mpys` holds the .mpy files of a box one behind the other (tools/fieldgate/bundle.py).

LittleFS gives each file a block of 4096 bytes, and finding one in its folders takes an RP2040 10 ms; a box has 100
modules. Mounted at /code and first on `sys.path`, so loose modules beside the bundle are not used. boot.py does that.

The bundle begins with two numbers of 8 hexadecimal digits: behind how many bytes there are only modules that the start
or the console need, and the length of its index: a JSON object that gives for each file, as "/modbus/bus.mpy", where it
begins, and 0 for each folder. The index takes up to 6 KB, so it is kept while modules are loaded and
`forget` drops it until the next one.
"""

import json
import sys

from vfs import mount

FILE = "code.mpys"
_FOLDER = "/code"


class Bundle:
    """What MicroPython asks of a file system from which it imports (docs of the module vfs)."""

    def __init__(self, path):
        self.path = path
        self._index = None
        self._started = False  # a dict is quick for 100 modules, and takes 40 ms to make: for one text will do

    def mount(self, readonly, mkfs):
        """Nothing is to do."""

    def umount(self):
        """The same."""

    def _place(self, path):
        """Offset of a module, 0 for a folder, None for what is not in the bundle."""
        if path.endswith(".py"):
            return None
        index = self._index
        if index is None:
            with open(self.path, "rb") as file:
                index = file.read(int(file.read(16)[8:], 16))
            self._index = index = index if self._started else json.loads(index)
        if not self._started:
            return index.get(path)
        name = b'"%s":' % path.encode()
        at = index.find(name)
        return int(index[at + len(name) : index.find(b",", at)]) if at >= 0 else None

    def stat(self, path):
        """As os.stat: a file or a folder. Raises OSError (ENOENT)."""
        at = self._place(path)
        if at is None:
            raise OSError(2)
        return (0x8000 if at else 0x4000, 0, 0, 0, 0, 0, 0, 0, 0, 0)

    def open(self, path, mode):
        """A file of the bundle from its first byte (.mpy files know their end), else the file of the box."""
        at = path.endswith(".mpy") and self._place(path)
        if not at:
            return open(path, mode)
        file = open(self.path, "rb")
        file.seek(at)
        return file

    def forget(self):
        """Give the memory of the index back."""
        self._index = None
        self._started = True


bundle = None


def start(path="/" + FILE):
    """Import from the bundle from now on, if there is one."""
    global bundle
    try:
        open(path).close()
    except OSError:
        return
    bundle = Bundle(path)
    mount(bundle, _FOLDER)
    sys.path.insert(0, _FOLDER)
    for name in "array binascii errno hashlib json machine os random struct time vfs".split():
        sys.modules[name] = __import__(name)  # else each import looks for a file of that name first: 3 ms
