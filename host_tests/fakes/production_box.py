"""A box that keeps a machine's books, in virtual time, without bus and broker: samples in, flash out.

Runs a record of the judge (host_tests/tools/production_judge.py) on MicroPython: `run(path, out, mutant)`. Lines of
the record, times in whole seconds of UTC since 2020:

    U t              the box gets power; what it knows is in its flash
    C t              it learns the time
    P t r f n g b a  a poll answers: running, fault, cycles, good, rejects, somebody attends
    F t quality      a poll fails
    X t              power is cut; the block in RAM is in flash, as it is at most flush_ms old
    E t              the end

Options: all: polls are not left out; changing: every boot has another schema, and boots end in good order; rebuild: a
read is split now and then.

Polls are 1 s apart; those that show nothing new are left out, so a source's hold is lengthened to HOLD_MS.
Written are the samples of the virtual groups as they reached the flash log: `kind hex`, and `event code t a b`.
"""

import json
import sys

from clock import Clock
from flashlog.log import FlashLog
from flashlog.records import EVENT, SAMPLE, Block
from gateway import machine_start, schema_store, virtual
from gateway.clock import Uptime
from gateway.recorder import Recorder, columns_of
from nor import Nor
from production import layout, oee, signals
from production.calendar import EPOCH_S

HOLD_MS = 61000
POINTS = ("running", "fault", "cycles", "good", "reject", "attended")


def ot_points(unit=""):
    return [
        {"name": name, "address": i, "type": "uint16", "order": "ABCD", "scale": 1, "offset": 0, "unit": unit}
        for i, name in enumerate(POINTS)
    ]


class Box:
    """One box; `power` begins a boot on the same flash."""

    def __init__(self, settings, out, sectors=64):
        self.flash = Nor(sectors, 16)
        self.settings = settings
        self.out = out
        self.ticks_ms = 3000  # every boot begins elsewhere in the ticks
        self.fed = 0
        self.boots = 0
        self.changing = False  # every boot has another configuration, and the one before ended in good order

    def power(self, t):
        self.ticks_ms = (self.ticks_ms * 7 + 1000003) % 0x3FFFFFFF
        self.clock = Clock(self.ticks_ms)
        self.zero_us = self.clock.us - t * 1000000
        self.log = FlashLog(self.flash, b"\x01\x02\x03\x04")
        self.log.mount()
        self.boot = boot = self.log.begin_boot()
        self._listen()
        uptime = Uptime(self.clock)
        groups = [(name, 60000, points) for name, points in layout.groups(virtual.point)]
        reads = virtual.numbered(groups)
        self.kinds = {read.group: i for i, read in enumerate(reads)}

        self.boots += 1
        points = ot_points("u" if self.changing and self.boots % 2 else "")  # another unit is another schema

        def texts():
            yield schema_store.group_text("line1", "press", 4, 0, 3, 0, len(POINTS), 1000, points)
            for read in reads:
                yield schema_store.read_text(virtual.BUS, read, read.points)

        self.schema = schema = schema_store.store(texts)
        self.recorder = Recorder(self.log, self.clock, uptime, boot, schema, 600000)
        for read in reads:
            self.recorder.know({read.group: columns_of(read)})
        self.uptime = uptime
        self.recorder.mark_time()
        self.production = machine_start.build(self, self.settings, self._feed)

    def _feed(self):
        self.fed += 1

    def _listen(self):
        append = self.log.append

        def heard(payload, records):
            append(payload, records)
            for kind, name, quality, era, ticks, data in Block(payload):
                if kind == SAMPLE and name in self.kinds:
                    self.out.write("%d %s\n" % (self.kinds[name], bytes(data).hex()))
                elif kind == EVENT and len(data) == 2:
                    t = (era * 0x40000000 + ticks - self.zero_us // 1000) // 1000
                    self.out.write("event %d %d %d %d\n" % (name, t, data[0], data[1]))

        self.log.append = heard

    def go(self, t):
        self.clock.us = t * 1000000 + self.zero_us
        self.uptime.update()

    def poll(self, quality, words):
        data = bytearray(2 * len(POINTS))
        for i, word in enumerate(words):
            data[2 * i] = word >> 8
            data[2 * i + 1] = word & 255
        ticks = self.clock.ticks_ms()
        nbytes = 0 if quality else len(data)
        self.recorder.sample(0, quality, ticks, data, nbytes)
        self.production.sample(0, quality, ticks, data, nbytes)

    def house(self):
        self.production.step()
        self.recorder.mark_time()
        if self.recorder.due():
            self.recorder.write()
        if self.log.erase_due():
            self.log.idle()

    def flush(self):
        while self.recorder.due() or self.recorder._open.records:
            self.recorder.write()


def stretch_hold():
    """See above: polls that show nothing new are not in the record."""
    plain = signals.Source

    def source(*args):
        made = plain(*args)
        made.hold_ms = HOLD_MS
        return made

    machine_start.Source = source


def mutate(name):
    """Mistakes that the judge must find."""
    account = oee.Account
    if name == "unknown_is_stopped":
        account._unknown = lambda self, begin, end: self._spread(oee.STOPPED_UNPLANNED, begin, end)
    elif name == "restart_forgets":
        machine_start._replay = lambda *args: False
    elif name == "no_replay":  # goes on from the checkpoint, without the samples behind it
        replay, sample = machine_start._replay, machine_start.Machine.sample

        def deaf(*args):
            machine_start.Machine.sample = lambda *_: None
            try:
                return replay(*args)
            finally:
                machine_start.Machine.sample = sample

        machine_start._replay = deaf
    elif name == "summer_time":
        from production import calendar

        calendar.Zone.offset = lambda self, utc_s: self._std
    else:
        assert not name, name


def run(record, out, mutant, elided=True, changing=False, rebuild=False):
    if elided:
        stretch_hold()
    mutate(mutant)
    with open(record) as lines, open(out, "w") as file:
        box = Box(json.loads(next(lines)), file)
        box.changing = changing
        steps = 0
        for line in lines:
            parts = line.split()
            t = int(parts[1])
            kind = parts[0]
            if kind == "U":
                box.power(t)
                continue
            box.go(t)
            if kind == "P":
                box.poll(0, [int(word) for word in parts[2:]])
                box.house()
                if rebuild and steps % 500 == 0:
                    machine_start.rebuild(box.production, box.schema)
            elif kind == "F":
                box.poll(int(parts[2]), ())
                box.house()
            elif kind == "C":
                box.clock.set_utc_ms((t + EPOCH_S) * 1000)
                box.house()
            else:
                if kind == "E":
                    for _ in range(12):
                        box.production.step()
                    box.production.close()
                elif changing:
                    box.production.close()
                box.flush()
            steps += 1
        print("steps %d replayed %d dropped %d" % (steps, box.fed, box.recorder.dropped_total))


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], sys.argv[3], "all" not in sys.argv, "changing" in sys.argv, "rebuild" in sys.argv)
