"""A second client on the line that the box polls: noticed, counted, told once a minute, never made up."""

import line as wire
from clock import Clock
from modbus.codes import SECOND_CLIENT
from modbus.stranger import SecondClient
from rig import Rand, Rig, unit

HEAP_KB = 8000


def watched():
    clock = Clock()
    events = []
    return clock, SecondClient(clock, lambda code, a, b: events.append((code, a, b))), events


def test_one_event_a_minute_and_every_request_counted():
    clock, watch, events = watched()
    request = wire.sealed((7, 3, 0, 0, 0, 2))
    for _ in range(130):
        watch.hear(request, 0, 8, None)
        clock.advance_ms(1000)
    assert events == [(SECOND_CLIENT, 7, 3)] * 3 and watch.requests == 130
    reply = wire.sealed((9, 16, 0, 0, 0, 1))  # to a write of several registers
    watch.hear(reply, 0, 8, None)
    assert watch.requests == 131


def test_requests_are_found_in_any_lots_and_behind_rubbish():
    rand = Rand(3)
    clock, watch, events = watched()
    stream = b""
    for k in range(500):
        stream += bytes(rand(256) for _ in range(rand(12))) + wire.sealed((1 + k % 200, 1 + k % 6, 0, k % 256, 0, 1))
    at = 0
    while at < len(stream):
        n = 1 + rand(200)
        piece = b"xy" + stream[at : at + n] + b"z"
        watch.hear(piece, 2, len(piece) - 1, None)
        at += n
    assert 495 <= watch.requests <= 500, watch.requests  # a false frame of rubbish may hide one, in 65536


def test_replies_echo_and_noise_are_no_second_client():
    clock, watch, events = watched()
    own = wire.sealed((7, 3, 0, 0, 0, 2))
    watch.hear(own, 0, 8, own)
    for data in (
        wire.sealed((7, 3, 4, 1, 2, 3, 4)),
        wire.sealed((7, 1, 3, 1, 2, 3)),
        b"\x00\xff\x07\x03",
        own[:7] + b"\x00",
        b"\x00" * 300,
    ):
        watch.hear(data, 0, len(data), None)
    assert events == [] and watch.requests == 0
    watch.hear(own, 0, 8, None)  # outside of our transaction it is somebody else's
    assert watch.requests == 1


def test_noise_gives_at_most_what_the_crc_lets_through():
    rand = Rand(11)
    clock, watch, events = watched()
    block = bytearray(250)
    tried = 0
    for _ in range(200):
        for i in range(250):
            block[i] = (rand(256), 1 + rand(16), 3, 0)[rand(4)]
        watch.hear(block, 0, 250, None)
        tried += 250
    assert watch.requests <= 3 + tried // 65536, watch.requests


def poll_beside_other(other_ms, period_ms=200, **settings):
    """Our polling for 20 s, and from second 2 on another client that asks unit 9 every other_ms."""
    units = [wire.Unit(1), wire.Unit(2)]
    configs = [unit(1, ((0, 10, period_ms),), **settings), unit(2, ((0, 4, period_ms),), **settings)]
    rig = Rig(units, configs)
    rig.run_ms(2000)
    assert rig.bus.second.requests == 0 and rig.events == []
    asked = 0
    request = wire.sealed((9, 3, 0, 0, 0, 2))
    reply = wire.sealed((9, 3, 4, 1, 2, 3, 4))
    for k in range(20000 // other_ms):
        rig.wire.inject(0, request)
        rig.wire.inject(8000, reply)
        asked += 1
        rig.run_ms(other_ms)
    return rig, asked


def test_another_client_beside_our_polling_raises_the_event():
    for other_ms in (97, 1013):
        rig, asked = poll_beside_other(other_ms)
        told = [event for event in rig.events if event[0] == SECOND_CLIENT]
        assert told == [(SECOND_CLIENT, 9, 3)], (other_ms, rig.events)
        counted = rig.bus.second.requests
        assert asked // 2 <= counted <= asked, (other_ms, counted, asked)  # the others collided with ours
        assert rig.bus.stats()["foreign_requests"] == counted
        assert 9 not in [read.unit.unit_id for read, _, _, _ in rig.results]


def test_it_is_heard_while_a_dead_unit_is_waited_for():
    units = [wire.Unit(1)]
    rig = Rig(units, [unit(1, ((0, 4, 250),), retries=0, first_byte_timeout_ms=200)])
    units[0].dead = True
    rig.run_ms(260)
    for _ in range(10):
        rig.wire.inject(50000, wire.sealed((9, 4, 0, 0, 0, 2)))
        rig.run_ms(250)
    assert rig.bus.second.requests >= 5, rig.bus.second.requests


def test_our_own_echo_and_late_answers_raise_nothing():
    units = [wire.Unit(1), wire.Unit(2)]
    rig = Rig(units, [unit(1, ((0, 4, 100),)), unit(2, ((0, 4, 100),))])
    rig.wire.echo = True
    rig.run_ms(3000)
    units[0].late = 3
    units[0].late_us = 230000
    rig.run_ms(3000)
    units[1].dead = True
    rig.run_ms(10000)
    units[1].dead = False
    for k in range(10):
        units[0].stray = b"\x00\xff" if k % 2 else b""
        units[1].corrupt = k % 3
        rig.run_ms(1000)
    assert rig.bus.engine.late > 0 and rig.bus.engine.stray_bytes > 0
    assert rig.bus.second.requests == 0 and SECOND_CLIENT not in [event[0] for event in rig.events]
