"""The gate: whatever is asked of the engine, nothing but reads reaches the line.

Generated requests go through the real engine to the modelled line, whose record is judged. The same run with a gate
that lets everything through must fail. `drive` is used by the soak program with a million requests.
"""

import line as wire
from modbus import engine as engine_module
from modbus.cells import GAP, REST, STATE
from modbus.gate import Gate
from rig import Rand, Rig, unit

REQUESTS = 20000
READS = (1, 2, 3, 4, 17, 43)


class OpenGate:
    """The mutant: no check."""

    def __init__(self, port, clock):
        def send(frame, at_us):
            port.send(frame)
            return 1

        self.send = send


def generated(rand):
    """A request: any function code and length, often a read or nearly one, with a right CRC."""
    kind = rand(4)
    function = READS[rand(6)] if kind < 2 else rand(256)
    n = (4, 4, 4, 4, 0, 2)[READS.index(function)] if function in READS and kind == 0 else rand(8)
    body = bytearray((rand(256), function))
    for _ in range(n):
        body.append(rand(256))
    if function == 43 and kind == 0:
        body = body[:2] + bytearray((14, 1 + rand(4), rand(256)))
    return bytearray(wire.sealed(body))


def drive(gate, seed, requests):
    """Ask for so many generated requests; returns (passed, refused). AssertionError if the line saw something else."""
    rand = Rand(seed)
    engine_module.Gate = gate
    try:
        rig = Rig([], [unit(1)], 115200, "8N1", look_us=50)
    finally:
        engine_module.Gate = Gate
    engine, read, port = rig.bus.engine, rig.plan.reads[0], rig.wire
    passed = refused = 0
    for _ in range(requests):
        read.frame = generated(rand)
        engine.start(0, False)
        try:
            while engine.cells[STATE] == GAP:
                rig.clock.advance_us(min(rig.bus.step(), 5000))
            passed += 1
        except AssertionError:
            refused += 1
        engine.abort()  # nobody answers
        engine.cells[STATE] = REST
        for _, _, _, frame in port.frames:
            assert frame[1] in READS, frame
            assert 1 <= frame[0] <= 247, frame
            assert len(frame) == (4 if frame[1] == 17 else 7 if frame[1] == 43 else 8), frame
            assert frame[1] != 43 or frame[2] == 14, frame
        port.frames.clear()
    return passed, refused


def test_only_reads_ever_leave():
    passed, refused = drive(Gate, 1, REQUESTS)
    text = "gate: %d generated requests, %d reads passed, %d others refused, 0 others on the line"
    print("REPORT: " + text % (REQUESTS, passed, refused))
    assert passed > REQUESTS // 10 and refused > REQUESTS // 2, (passed, refused)


def test_an_engine_without_the_gate_is_caught():
    try:
        drive(OpenGate, 1, 200)
    except AssertionError:
        return
    raise RuntimeError("a write reached the line and nobody noticed")
