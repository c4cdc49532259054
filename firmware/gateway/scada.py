"""Sets up the Modbus TCP server of it.json's `modbus_tcp`; loaded for the start only, and only where it is configured.

The map is made from the configuration alone, not from what refusals have taught: `fieldgate modbus-map` prints it.
"""

from hashlib import sha256

from gateway import virtual
from modbus.line import Line
from modbus.plan import Plan


def reads_of(ot):
    """Yield the modbus.plan.Reads that the map is made of, with their points: the polled ones, then the computed."""
    for bus in ot["buses"]:
        line = Line(bus["name"], bus["baud"], bus["serial_format"], 1000)
        yield from Plan(line, bus["units"], frames=False).reads
    yield from virtual.reads_of(ot)


def map_of(reads):
    """(blocks, mark): the blocks of the map as a list of (unit name, fc, address, count, period_ms), and 4 bytes that
    change when a block, or what a register of it is, does."""
    blocks = []
    digest = sha256()
    for read in reads:
        block = (read.unit.name, read.fc, read.address, read.count, read.period_ms)
        blocks.append(block)
        digest.update(("%s,%d,%d,%d,%d\n" % block).encode())
        for point in read.points:
            what = "%s,%d,%s,%s\n" % (point["name"], point["address"], point["type"], point["order"])
            digest.update(what.encode())
    return blocks, digest.digest()[:4]


def make(gateway, net, settings, ot, computed):
    """(image, server): who is told of every sample, and who is to run. computed: the virtual groups' reads."""
    from scada.image import Image
    from scada.server import Server

    blocks, mark = map_of(reads_of(ot))
    image = Image(blocks, mark, gateway.clock, gateway.uptime)
    for read in computed:
        image.know(read)
    for plan in gateway.plans:
        for read in plan.reads:
            image.know(read)
    return image, Server(net, settings["port"], settings["allowed"], image, gateway.clock)
