"""Runs on the emulated Pico: portable tests of the Modbus TCP server, and what it costs there."""

import gc
import time


def tests(name, only):
    """Run those tests of a portable test file whose names end so. What fails raises."""
    module = __import__(name)
    for each in only.split():
        gc.collect()
        getattr(module, "test_" + each)()
    print("done")


def costs():
    """Prints: heap bytes of image and server for 200 points in 20 blocks, us of a sample of 10 registers, us of the
    longest step and bytes of garbage of a request for 125 registers, us of a step without anything to do."""
    from clock import Clock

    gc.collect()
    before = gc.mem_free()
    import scada_rig
    from scada.image import Image

    rig_bytes = before - gc.mem_free()
    clock = Clock()
    blocks = [("unit%d" % i, 3, 0, 10, 1000) for i in range(20)]
    reads = [scada_rig.Read(i, *block) for i, block in enumerate(blocks)]
    net, uptime = scada_rig.Net(), scada_rig.Uptime(clock)
    gc.collect()
    before = gc.mem_free()
    from scada.server import Server

    image = Image(blocks, b"mark", clock, uptime)
    for read in reads:
        image.know(read)
    server = Server(net, 502, ("10.0.0.0/24",), image, clock)
    server.step()
    gc.collect()
    heap = before - gc.mem_free()
    data = bytes(range(20))
    start = time.ticks_us()
    for _ in range(50):
        image.note(7, 0, 1000, data, 20)
    sample_us = time.ticks_diff(time.ticks_us(), start) // 50
    wire = scada_rig.Wire()
    net.waiting.append(wire)
    while not server.connects:
        server.step()
    longest = used = 0
    for _ in range(8):
        wire.inbox += scada_rig.request(3, 16, 125)
        done = server.requests
        gc.collect()
        gc.disable()
        garbage = gc.mem_alloc()
        while server.requests == done:
            start = time.ticks_us()
            server.step()
            longest = max(longest, time.ticks_diff(time.ticks_us(), start))
        used = gc.mem_alloc() - garbage
        gc.enable()
    start = time.ticks_us()
    for _ in range(20):
        server.step()
    idle_us = time.ticks_diff(time.ticks_us(), start) // 20
    assert len(wire.outbox) == 8 * 259
    print(heap, sample_us, longest, used, idle_us, rig_bytes)
