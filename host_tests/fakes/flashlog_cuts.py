"""Power-cut sweep of the flash log: cuts at every flash operation, in every named torn state, and wakes up.

The main run works through a script on a NOR simulator. Before each flash operation the image is
forked once per torn state; each fork is mounted, read, checked against the model, worked with and
mounted again. With depth 2 the fork's own operations are cut as well.

Invariants, checked after every wake-up and again after more work:
  order      frames come with rising record numbers, each whole, and each is what was appended
  durable    every record that `append` returned for is there, unless acknowledged or dropped
  cursor     nothing acknowledged (ack returned True) is read again
  account    consumed + dropped + damaged + readable = appended
  boot       boot ids rise
  goes on    the log takes, keeps and returns new records

A pair is (operation, torn state): the operation is the script's name and the operation's number in
it; for second cuts the first pair belongs to it. Pairs are distinct by construction.
"""

import struct

from flashlog.log import FlashLog, LogFull
from nor import ERASE, Nor

CUT = "; power cut in "
ENTROPY = b"\x12\x34\x56\x78"


class Violation(Exception):
    """An invariant does not hold; the text says which, where and after which cuts."""


def make_payload(number, records, size, salt):
    """What is appended as record `number`; nothing else passes for it."""
    head = struct.pack("<IBHB", number, records, size, salt)
    body = struct.pack("<I", (number * 2654435761 + salt) & 0xFFFFFFFF)
    return (head + body * (size // 4))[:size]


class Model:
    """What the log must hold."""

    def __init__(self):
        self.next = 0  # number of the next record
        self.acked = 0  # everything below was acknowledged, or dropped before that
        self.consumed = 0  # records acknowledged by the consumer, and damaged ones that it passed over
        self.salts = [(0, 0)]  # (from record, salt), rising
        self.boot = 0
        self.append = None  # (records, size, salt) in flight
        self.ack = None  # (acked, consumed) in flight

    def copy(self):
        other = Model()
        other.next = self.next
        other.acked = self.acked
        other.consumed = self.consumed
        other.salts = list(self.salts)
        other.boot = self.boot
        other.append = self.append
        other.ack = self.ack
        return other

    def salt_of(self, number):
        salt = 0
        for start, value in self.salts:
            if number >= start:
                salt = value
        return salt


class Machine:
    """One powered box: a log on a NOR, driven and checked through the public interface only."""

    def __init__(self, nor, model, drop, log_class, floor=0, deferred=False):
        """floor: what `floor()` of the box was that died; deferred: whether one of its acks waited in RAM."""
        self.nor = nor
        self.model = model
        self.drop = drop
        self.log_class = log_class
        self.phase = "off"
        self.log = None
        self.first_floor = floor
        self.deferred = deferred

    def boot(self):
        """Power on: mount, compare with the model, begin a boot."""
        self.phase = "mount"
        log = self.log_class(self.nor, entropy=ENTROPY, drop_oldest=self.drop)
        log.mount()
        self.deferred = self.deferred or (self.log is not None and self.log.stats.deferred > 0)
        floor = self.floor()
        self.log = log
        check(self, floor)
        self.place = self.model.acked  # where the consumer stands, and what had been dropped by then
        self.place_dropped = log.stats.dropped
        self.phase = "begin_boot"
        boot = self._watched(log.begin_boot)
        if boot <= self.model.boot:
            raise Violation("boot: id %d after %d" % (boot, self.model.boot))
        self.boot_id = boot

    def _watched(self, call, *arguments):
        """Whatever the log drops, it may drop only when all its sectors are in use."""
        log = self.log
        before = log.stats.dropped
        result = call(*arguments)
        in_use = log._s.newest_sequence - log._head_sequence + 1
        if log.stats.dropped > before and in_use < log.sectors - 2 - log.stats.retired:
            raise Violation("dropped: with %d of %d sectors in use" % (in_use, log.sectors))
        return result

    def floor(self):
        """Records from this number on may not be missing: below it they were acknowledged or dropped."""
        if self.log is None:
            return self.first_floor
        return max(self.first_floor, self.model.next - self.log.depth())

    def append(self, records, size):
        model = self.model
        model.append = (records, size, model.salt_of(model.next))
        self.phase = "append"
        boot, model.boot = model.boot, self.boot_id
        try:
            self._watched(self.log.append, make_payload(model.next, *model.append), records)
            model.next += records
        except LogFull:
            model.boot = boot
        model.append = None

    def consume(self, frames):
        """Read up to `frames` frames and acknowledge them. Continues where the last call ended."""
        model = self.model
        log = self.log
        consumed = model.consumed
        end = None
        for _ in range(frames):
            payload = log.read()
            if payload is None:
                break
            end = self.frame(payload)
            passed = end - self.place - (log.stats.dropped - self.place_dropped)
            if passed != log.frame_records and end - log.frame_records > self.first_floor:
                raise Violation("durable: %d records are missing before %d" % (passed - log.frame_records, end))
            consumed += passed  # with what a torn erase, which was to drop them, damaged
            self.place = end
            self.place_dropped = log.stats.dropped
        if end is None:
            return
        model.ack = (end, consumed)
        self.phase = "ack"
        if log.ack(log.position()):
            model.acked = end
        # else: still promised to RAM only; a cut may bring it back
        model.consumed = consumed
        model.ack = None

    def idle(self):
        self.phase = "idle"
        self._watched(self.log.idle)

    def frame(self, payload):
        """Check one frame that was read; returns the number behind it."""
        log = self.log
        number = (log.frame_seq_hi << 30) + log.frame_seq_lo
        records = log.frame_records
        salt = self.model.salt_of(number)
        want = make_payload(number, records, len(payload), salt)
        if bytes(payload) != want:
            raise Violation("order: record %d is not what was appended" % number)
        return number + records

    def drain(self):
        """Read all; returns [(number, records)] and leaves the cursor rewound."""
        log = self.log
        out = []
        last = self.model.acked
        while True:
            payload = log.read()
            if payload is None:
                break
            end = self.frame(payload)
            number = end - log.frame_records
            if number < last:
                raise Violation("order: record %d comes after %d" % (number, last))
            last = end
            out.append((number, log.frame_records))
        log.rewind()
        return out


def check(machine, floor):
    """Compare a log that has just been mounted with the model; brings the model up to what was found."""
    model = machine.model
    got = machine.drain()
    stats = machine.log.stats
    durable = model.next
    end = got[-1][0] + got[-1][1] if got else max(durable, model.acked)
    allowed = durable + (model.append[0] if model.append else 0)
    first = got[0][0] if got else end
    if end not in (durable, allowed):
        raise Violation("durable: log ends at %d, appended %d" % (end, durable))
    if end > durable:
        model.salts.append((durable, model.append[2]))
    if first < model.acked:
        raise Violation("cursor: %d read again, %d was acknowledged" % (first, model.acked))
    place = max(floor, model.acked)
    if model.ack and first >= model.ack[0]:
        place = max(place, model.ack[0])
    for number, records in got:
        if number > place:
            raise Violation("durable: record %d is missing" % place)
        if number == place:
            place += records
    if place < durable:
        raise Violation("durable: record %d is missing at the end" % place)
    readable = sum([records for _, records in got])
    sound(machine)
    lost = stats.dropped + stats.damaged
    # An acknowledgement in flight may count in part: up to the end of a sector that was erased for it.
    consumed = end - lost - readable
    if not model.consumed <= consumed <= (model.ack[1] if model.ack else model.consumed) and not machine.deferred:
        raise Violation(
            "account: end %d, consumed %d, dropped %d, damaged %d, readable %d"
            % (end, model.consumed, stats.dropped, stats.damaged, readable)
        )
    # What was acknowledged in RAM only (in flight, or deferred by a full log) may have lost its sector to the erase.
    if lost > max(0, floor - model.acked) and not machine.drop:
        raise Violation("account: %d dropped, %d damaged, but nothing may be" % (stats.dropped, stats.damaged))
    if not machine.deferred:
        model.consumed = consumed
    model.acked = max(model.acked, end - machine.log.depth())
    model.next = end
    model.append = model.ack = None


def play(machine, script):
    """Do the steps of a script: (method of Machine, arguments...)."""
    for step in script:
        getattr(machine, step[0])(*step[1:])


def random_script(rng, steps, consume, idle, largest=478):
    """Appends of any size; every `consume` steps a read with ack, every `idle` an idle, every 25 a restart."""
    out = []
    for i in range(steps):
        out.append(("append", 1 + rng.below(8), 8 + rng.below(largest - 8)))
        if consume and i % consume == 0:
            out.append(("consume", 1 + rng.below(5)))
        if idle and i % idle == 0:
            out.append(("idle",))
        if i % 25 == 24:
            out.append(("boot",))
    return out


def sound(machine):
    """No sound sector was taken out of use."""
    if machine.log.stats.retired > machine.nor.faulty():
        raise Violation("retired: %d sectors, %d are faulty" % (machine.log.stats.retired, machine.nor.faulty()))


class Sweep:
    """Runs scripts and cuts. `pairs` counts distinct pairs, `second` those of them that cut a recovery,
    `histogram` them by operation (phase, program or erase) and torn state."""

    def __init__(self, rng, log_class=FlashLog, depth=1, every=1, second_every=1):
        """every / second_every: cut only each so many-th operation of the script / of a recovery."""
        self.rng = rng
        self.log_class = log_class
        self.depth = depth
        self.every = every
        self.second_every = second_every
        self.pairs = self.second = 0
        self.operations = 0
        self.histogram = {}

    def run(self, name, script, sectors, unit, drop, warm=(), prepare=None):
        """Work through `warm` without cuts, then through `script` and cut at each flash operation.

        Scripts are lists of (method of Machine, arguments...). Without `warm` the first mount, and
        with it the first format, is cut too. prepare(nor) may set faults up.
        """
        nor = Nor(sectors, unit, self.rng)
        if prepare:
            prepare(nor)
        machine = Machine(nor, Model(), drop, self.log_class)
        if warm:
            machine.boot()
            play(machine, warm)
        count = [0]

        def hook(_, kind, sector, offset, data):
            count[0] += 1
            self.operations += 1
            if count[0] % self.every == 0:
                self._cut(machine, kind, sector, offset, data, 1, "%s op %d" % (name, count[0]))

        nor.hook = hook
        if not warm:
            machine.boot()
        play(machine, script)
        nor.hook = None
        return machine

    def _cut(self, machine, kind, sector, offset, data, level, path):
        nor = machine.nor
        hook, nor.hook = nor.hook, None
        floor = machine.floor()
        where = "%s (%s, %s of sector %d" % (path, machine.phase, "erase" if kind == ERASE else "program", sector)
        for state, fork in nor.torn(kind, sector, offset, data):
            self.pairs += 1
            self.second += level > 1
            key = (machine.phase + (" erase" if kind == ERASE else " program"), state.split(".")[0])
            self.histogram[key] = self.histogram.get(key, 0) + 1
            try:
                self._wake(fork, machine, floor, level, "%s, %s)" % (where, state))
            except Violation as error:
                if CUT in str(error):
                    raise
                raise Violation("%s%s%s, %s)" % (error, CUT, where, state))
        nor.hook = hook

    def _wake(self, fork, dead, floor, level, path):
        model = dead.model.copy()
        deferred = dead.deferred or (dead.log is not None and dead.log.stats.deferred > 0)
        machine = Machine(fork, model, dead.drop, self.log_class, floor, deferred)
        if level < self.depth:
            count = [0]

            def hook(_, kind, sector, offset, data):
                count[0] += 1
                if count[0] % self.second_every == self.rng.below(self.second_every):
                    self._cut(machine, kind, sector, offset, data, level + 1, "%s, op %d" % (path, count[0]))

            fork.hook = hook
        machine.boot()
        model.salts.append((model.next, level))
        self._work(machine)
        sound(machine)
        fork.hook = None
        machine.boot()

    def _work(self, machine):
        """A little of everything, after a recovery."""
        before = machine.model.next
        play(machine, (("append", 3, 200), ("idle",), ("append", 1, 20), ("consume", 2), ("append", 2, 460)))
        if machine.drop and machine.model.next != before + 6:
            raise Violation("goes on: appended 6, took %d" % (machine.model.next - before))


def histogram_lines(histogram):
    """The counts as text lines, one per operation."""
    names = {}
    for (operation, state), count in histogram.items():
        names.setdefault(operation, []).append("%s %d" % (state, count))
    return ["%s: %s" % (operation, ", ".join(sorted(names[operation]))) for operation in sorted(names)]


def add_histogram(total, histogram):
    for key, count in histogram.items():
        total[key] = total.get(key, 0) + count
