"""What the rules need of a box, without one: a clock, a recorder that keeps everything, meta lines of a unit."""

import json
import struct

from clock import Clock


class Kept:
    """A recorder that keeps what it is given. room: how many samples it takes before it has to drop."""

    def __init__(self, room=1 << 30):
        self.samples = []  # (group, quality, ticks_ms, data)
        self.events = []  # (code, a, b) or (code, text)
        self.room = room

    def sample(self, group, quality, ticks_ms, data, nbytes):
        if not self.room:
            return False
        self.room -= 1
        self.samples.append((group, quality, ticks_ms, bytes(data[:nbytes]) if quality == 0 else None))
        return True

    def event(self, code, a=0, b=0):
        self.events.append((code, a, b))

    def text_event(self, code, text):
        self.events.append((code, text))


class Gateway:
    """As much of gateway.app.Gateway as gateway.edge takes; `feed` is a poll's outcome."""

    def __init__(self, room=1 << 30, utc_ms=None):
        self.clock = Clock(utc_ms=utc_ms)
        self.recorder = Kept(room)
        self.edge = None
        self.latest = None
        self.started_ms = 0

    def sample(self, group, quality, ticks_ms, data, nbytes):
        self.edge.take(group, quality, ticks_ms, data, nbytes)

    def feed(self, data, group=0, quality=0, after_ms=1000):
        self.clock.advance_ms(after_ms)
        self.sample(group, quality, self.clock.ticks_ms(), bytearray(data), len(data))


def point(name, at, kind="uint16", scale=1, offset=0, **more):
    made = {"name": name, "at": at, "type": kind, "order": "ABCD", "scale": scale, "offset": offset, "unit": ""}
    made.update(more)
    return made


def line(points, deadbands=None, heartbeat_s=60, group=0, unit="meter", fc=3, period_ms=1000, count=None):
    """A meta line. deadbands: one for each point."""
    if count is None:
        count = max([entry["at"] for entry in points]) + (4 if fc else 1)
    meta = {"format": 1, "schema": "a1b2c3d4", "group": group, "bus": "line1", "unit": unit, "unit_id": 1, "fc": fc}
    meta.update({"address": 0, "count": count, "period_ms": period_ms, "points": points})
    if deadbands is not None:
        meta["deadband"] = {"heartbeat_s": heartbeat_s, "points": deadbands}
    return json.dumps(meta)


def registers(*values):
    """Data of 16-bit registers."""
    return b"".join([(value & 0xFFFF).to_bytes(2, "big") for value in values])


def float_bytes(value):
    return struct.pack(">f", value)
