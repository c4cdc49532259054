"""The register map of it.json's `modbus_tcp`; loaded for the start only, and only where it is configured.

The map is made from the configuration alone, not from what refusals have taught: `fieldgate modbus-map` prints it.
"""

from hashlib import sha256

from modbus.line import Line
from modbus.plan import Plan


def reads_of(ot, plans):
    """Yield the modbus.plan.Reads that the map is made of, with their points; plans: as made from this OT half."""
    for bus, plan in zip(ot["buses"], plans):
        if plan is None or plan.splits:  # as it would be without what refusals have taught
            plan = Plan(Line(bus["name"], bus["baud"], bus["serial_format"], 1000), bus["units"], frames=False)
        yield from plan.reads


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


def wanted(gateway, net, settings, ot, computed):
    """What gateway.scada_task makes image and server of: (blocks, mark, [(group, block) of the virtual groups], network
    seam, port, allowed). computed: the reads of the virtual groups."""
    blocks, mark = map_of(list(reads_of(ot, gateway.plans)) + computed)
    first = len(blocks) - len(computed)
    groups = [(read.group, first + i) for i, read in enumerate(computed)]
    return blocks, mark, groups, net, settings["port"], settings["allowed"]
