"""NOR flash in RAM with its physics and its faults by name. Portable.

Programming only clears bits; erasing sets a sector of 4096 bytes to 0xFF. A power cut inside an
operation leaves one of the states below. `Nor.hook(nor, kind, sector, offset, data)` is called
before every operation, so a test can fork the image there and let the fork wake up in each state.

Torn program, for every 256-byte page of the operation (pages before it complete, pages after it
untouched):
  before        nothing happened
  one_byte      only the first byte
  half          the first half of the bytes
  but_one_byte  all but the last byte
  random_bits   a random subset of the bits
  but_one_bit   all but one bit
  ghost         reads back as before, but bits of it show as soon as the page is programmed again
  after         complete, but the caller never learned it
Torn erase:
  before        nothing happened
  half          the first half is blank, the rest as before
  first_kept    all but the first page is blank
  garbage       random content
  raised        a random subset of the zero bits is raised
  weak          reads back blank, but programs into it come out with random extra zero bits
  after         complete
"""

SECTOR_BYTES = 4096
PAGE_BYTES = 256
PROGRAM = 1
ERASE = 2
PROGRAM_STATES = ("one_byte", "half", "but_one_byte", "random_bits", "but_one_bit", "ghost")
ERASE_STATES = ("before", "half", "first_kept", "garbage", "raised", "weak", "after")
_EIO = 5
_BLANK = b"\xff" * SECTOR_BYTES


class PowerCut(Exception):
    """Raised by hooks that end the life of a device inside an operation."""


def _and(a, b):
    size = len(a)
    return (int.from_bytes(a, "little") & int.from_bytes(b, "little")).to_bytes(size, "little")


def _random_bytes(rng, size):
    out = bytearray()
    while len(out) < size:
        out += rng.getrandbits(24).to_bytes(3, "little")
    return bytes(out[:size])


def _or_random(rng, data):
    """Each zero bit of data raised with probability 1/2."""
    size = len(data)
    noise = _random_bytes(rng, size)
    return (int.from_bytes(data, "little") | int.from_bytes(noise, "little")).to_bytes(size, "little")


class Rng:
    """Small seeded generator with the same numbers on CPython and MicroPython (xorshift32)."""

    def __init__(self, seed):
        self.state = (seed * 2654435761 + 1) & 0xFFFFFFFF or 1

    def getrandbits(self, bits):
        x = self.state
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        self.state = x
        return (x >> 3) & ((1 << bits) - 1)

    def below(self, n):
        return self.getrandbits(24) % n


class Nor:
    """The flash seam of firmware/DESIGN.md over a bytearray.

    stuck_program / stuck_erase: sectors whose operation raises OSError(EIO) and changes nothing.
    silent_program / silent_erase: sectors that report success and change nothing.
    """

    def __init__(self, sectors, program_bytes=16, rng=None, memory=None):
        self.sectors = sectors
        self.program_bytes = program_bytes
        self.memory = bytearray(_BLANK * sectors) if memory is None else bytearray(memory)
        self.rng = rng or Rng(1)
        self.hook = None
        self.ghosts = {}  # (sector, page) -> 256 bytes that show with the next program of that page
        self.weak = set()
        self.stuck_program = set()
        self.stuck_erase = set()
        self.silent_program = set()
        self.silent_erase = set()
        self.wear = [0] * sectors
        self.reset_counters()

    def reset_counters(self):
        self.reads = self.read_bytes = self.programs = self.pages = self.erases = 0
        self.programmed_bytes = 0  # without 0xFF padding
        self.overwrites = 0  # programs of bytes that were not blank

    def fork(self):
        """An independent copy in the same physical state, without hook."""
        copy = Nor(self.sectors, self.program_bytes, self.rng, self.memory)
        copy.ghosts = dict(self.ghosts)
        copy.weak = set(self.weak)
        copy.stuck_program = self.stuck_program
        copy.stuck_erase = self.stuck_erase
        copy.silent_program = self.silent_program
        copy.silent_erase = self.silent_erase
        copy.wear = list(self.wear)
        return copy

    def faulty(self):
        """Number of sectors that do not work."""
        return len(self.stuck_program | self.stuck_erase | self.silent_program | self.silent_erase)

    # -- the seam ---------------------------------------------------------------------------

    def read(self, sector, offset, buf):
        size = len(buf)
        assert 0 <= sector < self.sectors and 0 <= offset and offset + size <= SECTOR_BYTES
        at = sector * SECTOR_BYTES + offset
        buf[:] = memoryview(self.memory)[at : at + size]
        self.reads += 1
        self.read_bytes += size

    def program(self, sector, offset, buf):
        size = len(buf)
        unit = self.program_bytes
        assert 0 <= sector < self.sectors and size and offset + size <= SECTOR_BYTES
        assert offset % unit == 0 and size % unit == 0, "program unit"
        if self.hook:
            self.hook(self, PROGRAM, sector, offset, buf)
        self.programs += 1
        if sector in self.stuck_program:
            raise OSError(_EIO)
        if sector in self.silent_program:
            return
        for start, data in pages(offset, buf):
            self.pages += 1
            self._program_page(sector, start, data)

    def erase(self, sector):
        assert 0 <= sector < self.sectors
        if self.hook:
            self.hook(self, ERASE, sector, 0, None)
        self.erases += 1
        self.wear[sector] += 1
        if sector in self.stuck_erase:
            raise OSError(_EIO)
        if sector in self.silent_erase:
            return
        self._set_sector(sector, _BLANK)
        self.weak.discard(sector)

    # -- physics ----------------------------------------------------------------------------

    def _program_page(self, sector, offset, data):
        size = len(data)
        at = sector * SECTOR_BYTES + offset
        old = bytes(memoryview(self.memory)[at : at + size])
        pad = size - bytes(data).count(b"\xff")
        self.programmed_bytes += pad
        new = _and(old, data)
        if new != data and bytes(data) != new:
            self.overwrites += 1
        if sector in self.weak:
            new = _and(new, _or_random(self.rng, _or_random(self.rng, bytes(size))))
        self.memory[at : at + size] = new
        ghost = self.ghosts.pop((sector, offset // PAGE_BYTES), None)
        if ghost is not None:
            at = (at // PAGE_BYTES) * PAGE_BYTES
            self.memory[at : at + PAGE_BYTES] = _and(memoryview(self.memory)[at : at + PAGE_BYTES], ghost)

    def _set_sector(self, sector, content):
        at = sector * SECTOR_BYTES
        self.memory[at : at + SECTOR_BYTES] = content
        for page in range(SECTOR_BYTES // PAGE_BYTES):
            self.ghosts.pop((sector, page), None)

    # -- power cuts -------------------------------------------------------------------------

    def torn(self, kind, sector, offset, buf):
        """Iterate (state name, forked Nor) over all states a cut inside this operation can leave."""
        if kind == PROGRAM:
            yield "before", self.fork()
            parts = list(pages(offset, buf))
            for number in range(len(parts)):
                for state in PROGRAM_STATES:
                    fork = self.fork()
                    if fork.tear_program(sector, parts, number, state):
                        yield (state if number == 0 else "%s.%d" % (state, number)), fork
            fork = self.fork()
            for start, data in parts:
                fork._program_page(sector, start, data)
            yield "after", fork
        else:
            for state in ERASE_STATES:
                fork = self.fork()
                fork.tear_erase(sector, state)
                yield state, fork

    def tear_program(self, sector, parts, number, state):
        """Leave `parts[number]` of a program torn. False if there is nothing to tear there."""
        for start, data in parts[:number]:
            self._program_page(sector, start, data)
        start, data = parts[number]
        data = bytes(data)
        zeros = [i for i in range(len(data)) if data[i] != 255]
        if not zeros:
            return False
        first, last = zeros[0], zeros[-1] + 1
        if state == "ghost":
            page = bytearray(b"\xff" * PAGE_BYTES)
            at = start % PAGE_BYTES
            page[at : at + len(data)] = _or_random(self.rng, data)
            key = (sector, start // PAGE_BYTES)
            self.ghosts[key] = _and(page, self.ghosts.get(key, b"\xff" * PAGE_BYTES))
            return True
        part = bytearray(data)
        if state == "one_byte":
            part[first + 1 :] = b"\xff" * (len(part) - first - 1)
        elif state == "half":
            middle = (first + last) // 2
            part[middle:] = b"\xff" * (len(part) - middle)
        elif state == "but_one_byte":
            part[last - 1] = 255
        elif state == "random_bits":
            part[:] = _or_random(self.rng, data)
        elif state == "but_one_bit":
            at = zeros[self.rng.below(len(zeros))]
            bit = 1
            while data[at] & bit:
                bit <<= 1
            part[at] |= bit
        else:
            raise ValueError(state)
        self._program_page(sector, start, bytes(part))
        return True

    def tear_erase(self, sector, state):
        at = sector * SECTOR_BYTES
        content = bytearray(self.memory[at : at + SECTOR_BYTES])
        if state == "before":
            return
        if state == "half":
            content[: SECTOR_BYTES // 2] = _BLANK[: SECTOR_BYTES // 2]
        elif state == "first_kept":
            content[PAGE_BYTES:] = _BLANK[PAGE_BYTES:]
        elif state == "garbage":
            content[:] = _random_bytes(self.rng, SECTOR_BYTES)
        elif state == "raised":
            content[:] = _or_random(self.rng, content)
        elif state in ("weak", "after"):
            content[:] = _BLANK
        else:
            raise ValueError(state)
        self._set_sector(sector, content)
        if state != "after":
            self.weak.add(sector)
        else:
            self.weak.discard(sector)

    def rot(self, sector, offset, bit):
        """Flip one bit, as age does."""
        self.memory[sector * SECTOR_BYTES + offset] ^= 1 << bit


def pages(offset, buf):
    """Split a program into what one page takes: yields (offset, data)."""
    view = memoryview(buf)
    done = 0
    while done < len(view):
        size = min(PAGE_BYTES - (offset + done) % PAGE_BYTES, len(view) - done)
        yield offset + done, view[done : done + size]
        done += size
