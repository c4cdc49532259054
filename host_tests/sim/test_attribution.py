"""Every fault of the line and of the network stand-in, singly and in all pairs: whose it is, expected and reported.

A fault is on for FAULT_MS; every cause that was told at any time counts, so a wrong guess on the way is an error. What
one fault hides of another is no part of what is expected: MASKS says it, in the words of production.attribution.
"""

from attribution_world import PLC, World
from production.attribution import BROKER, BUS, DEVICE, EQUIPMENT, GATEWAY, NETWORK, of_session

HEAP_KB = 32768
TIMEOUT_S = 120
CALM_MS = 4000
FAULT_MS = 16000
NAMES = {EQUIPMENT: "equipment", DEVICE: "device", BUS: "bus", NETWORK: "network", BROKER: "broker", GATEWAY: "gateway"}


def attribute(part, name, value):
    def switch(world):
        setattr(part(world), name, value)

    return switch


def unit(k):
    return lambda world: world.units[k - 1]


def wire(world):
    return world.rig.wire


def broker(world):
    return world.broker


def equipment(world):
    world.units[PLC - 1].registers[0] = 1


def corrupt_all(world):
    for each in world.units:
        each.corrupt = 1000000


def late(world):
    world.units[0].late = 1000000
    world.units[0].late_us = 130000


def stray_all(world):
    for each in world.units:
        each.stray = b"\xff"


def network_down(world):
    world.net.is_up = False


def cuts(world):
    """The connection is reset as soon as something is published."""
    world.broker.cut_after = 60
    world.broker.mangle = again(world)


def again(world):
    def mangle(packet):
        if world.broker.cut_after is None and packet[:1] == b"\x20":
            world.broker.cut_after = 12
        return packet

    return mangle


MANY = 1000000
# name: (cause, switch, what tells two ways of the same switch apart)
FAULTS = (
    ("equipment fault", EQUIPMENT, equipment, ""),
    ("dead unit", DEVICE, attribute(unit(1), "dead", True), ""),
    ("dead PLC", DEVICE, attribute(unit(PLC), "dead", True), ""),
    ("lost replies", DEVICE, attribute(unit(1), "lose", MANY), ""),
    ("corrupt replies", DEVICE, attribute(unit(1), "corrupt", MANY), ""),
    ("replies cut short", DEVICE, attribute(unit(1), "cut_short", MANY), ""),
    ("late replies", DEVICE, late, ""),
    ("corrupt, all units", BUS, corrupt_all, ""),
    ("stray 00", BUS, attribute(unit(1), "stray", b"\x00"), "stray"),
    ("stray FF, all units", BUS, stray_all, "stray"),
    ("noise", BUS, lambda world: setattr(world, "noise", True), ""),
    ("cable cut", BUS, attribute(wire, "cable_cut", True), ""),
    ("port gone", BUS, attribute(wire, "broken", True), ""),
    ("echo", BUS, attribute(wire, "echo", True), ""),
    ("foreign client", BUS, lambda world: setattr(world, "foreign", True), ""),
    ("network down", NETWORK, network_down, ""),
    ("no route", NETWORK, attribute(broker, "mute_connect", True), ""),
    ("connection refused", BROKER, attribute(broker, "refuse", True), ""),
    ("login refused", BROKER, attribute(broker, "connack", 5), "connack"),
    ("no CONNACK", BROKER, attribute(broker, "connack", None), "connack"),
    ("no PUBACK", BROKER, attribute(broker, "drop_pubacks", MANY), ""),
    ("half open", BROKER, attribute(broker, "half_open", True), ""),
    ("connection reset", BROKER, cuts, ""),
    ("restart by watchdog", GATEWAY, "watchdog", "restart"),
    ("restart by power", GATEWAY, "power", "restart"),
    ("overload", GATEWAY, lambda world: setattr(world, "busy_ms", 900), ""),
)
SILENT_BUS = ("cable cut", "port gone")
# what hides what: with the first on, nothing is said of the second
MASKS = {name: ("equipment fault", "dead unit", "dead PLC", "lost replies", "corrupt replies", "replies cut short",
                "late replies") for name in SILENT_BUS}  # fmt: skip
MASKS["dead PLC"] = ("equipment fault",)
MASKS["corrupt, all units"] = ("equipment fault", "corrupt replies", "replies cut short")
for name in ("dead unit", "lost replies", "corrupt replies", "replies cut short", "late replies"):
    MASKS[name] = ("stray 00",)  # stands before a good answer of the same unit
MASKS["connection refused"] = ("no route",)
# the broker is not reached, is not there, does not let us in: later phases of a connection do not happen
_PHASES = (("network down",), ("no route", "connection refused"), ("login refused", "no CONNACK"))
LATER = ("no PUBACK", "half open", "connection reset")


def phase(name):
    for i, names in enumerate(_PHASES):
        if name in names:
            return i
    return len(_PHASES) if name in LATER else -1


def expected(*names):
    causes = set()
    for name in names:
        cause = [fault[1] for fault in FAULTS if fault[0] == name][0]
        hidden = any([name in MASKS.get(other, ()) for other in names])
        mine = phase(name)
        hidden = hidden or (mine >= 0 and any([0 <= phase(other) < mine for other in names]))
        if not hidden:
            causes.add(cause)
    return causes


def run(*faults, seed=1):
    world = World(([fault[2] for fault in faults if isinstance(fault[2], str)] + [None])[0], seed)
    world.run_ms(CALM_MS)
    before = len(world.told)
    if before and not isinstance(faults[0][2], str) and not isinstance(faults[-1][2], str):
        assert False, ("told without a fault", world.told)
    if world.broker.current and any([phase(fault[0]) in (0, 1, 2) for fault in faults]):
        world.session.close()  # a new connection meets what is switched
    for fault in faults:
        if not isinstance(fault[2], str):
            fault[2](world)
    world.run_ms(FAULT_MS)
    return world


def words(causes):
    return "+".join([NAMES[cause] for cause in sorted(causes)]) or "none"


def check(cases, wrong, seed=1):
    table = {}
    for faults in cases:
        world = run(*faults, seed=seed)
        told = set([row[0] for row in world.told])
        wanted = expected(*[fault[0] for fault in faults])
        key = words(wanted), words(told)
        table[key] = table.get(key, 0) + 1
        if told != wanted:
            wrong.append((" and ".join([fault[0] for fault in faults]), key, world.told))
    return table


def test_every_fault_alone():
    wrong = []
    for fault in FAULTS:
        check([(fault,)], wrong)
        world = run(fault)
        row = [row for row in world.told if row[0] == fault[1]][:1]
        text = ", ".join(["%s (reason %d, %d %%)" % (NAMES[r[0]], r[1], r[3]) for r in row])
        print("REPORT: attribution, %s: expected %s, reported %s" % (fault[0], NAMES[fault[1]], text))
    assert not wrong, wrong


def pairs():
    cases = []
    for i, first in enumerate(FAULTS):
        for second in FAULTS[i + 1 :]:
            if not first[3] or first[3] != second[3]:
                cases.append((first, second))
    return cases


def test_every_pair():
    cases = pairs()
    wrong = []
    table = check(cases, wrong)
    for key in sorted(table):
        print("REPORT: attribution, pairs: expected %s, reported %s: %d" % (key[0], key[1], table[key]))
    for row in wrong:
        print("wrong:", row)
    assert not wrong, "%d of %d" % (len(wrong), len(cases))


def test_texts_of_the_session():
    for text, cause in (
        ("network is down", NETWORK),
        ("broker 10.0.0.1:1883: host unreachable", NETWORK),
        ("broker 10.0.0.1:1883: no connection within 5000 ms", NETWORK),
        ("broker 10.0.0.1:1883: connection refused", BROKER),
        ("broker 10.0.0.1:1883: refused the login: not authorised", BROKER),
        ("broker 10.0.0.1:1883: no CONNACK within 5000 ms", BROKER),
        ("broker 10.0.0.1:1883: no PUBACK for 10000 ms", BROKER),
        ("broker 10.0.0.1:1883: connection reset", BROKER),
    ):
        assert of_session(text)[0] == cause, text


def test_faults_end_and_their_duration_is_told():
    for name, switch, back in (
        ("dead unit", attribute(unit(1), "dead", True), attribute(unit(1), "dead", False)),
        ("cable cut", attribute(wire, "cable_cut", True), attribute(wire, "cable_cut", False)),
        ("network down", network_down, lambda world: setattr(world.net, "is_up", True)),
        ("no PUBACK", attribute(broker, "drop_pubacks", MANY), attribute(broker, "drop_pubacks", 0)),
        ("corrupt, all units", corrupt_all, lambda world: [setattr(each, "corrupt", 0) for each in world.units]),
        ("echo", attribute(wire, "echo", True), attribute(wire, "echo", False)),
    ):
        world = World()
        world.run_ms(CALM_MS)
        switch(world)
        world.run_ms(FAULT_MS)
        assert world.told and not world.ended, (name, world.told, world.ended)
        back(world)
        world.run_ms(40000)
        assert not world.faults.now and len(world.ended) == 1, (name, world.faults.now, world.ended)
        assert FAULT_MS // 2000 <= world.ended[0][3] <= FAULT_MS // 1000 + 24, (name, world.ended)


def test_single_mishaps_are_nobodys_fault():
    world = World()
    world.run_ms(CALM_MS)
    for k in range(20):
        each = world.units[k % 3]
        if k % 4 == 0:
            each.lose = 1
        elif k % 4 == 1:
            each.corrupt = 1
        elif k % 4 == 2:
            world.rig.wire.inject(200000, b"\x00")
        else:
            world.clock.us += 600000  # a step of a TLS handshake
        world.run_ms(15000)
    assert world.told == []


def test_the_table_finds_mistakes():
    import attribution_world as worlds

    plain = worlds.attribution.of_session
    by_name = {fault[0]: fault for fault in FAULTS}
    wrong = []
    worlds.attribution.of_session = lambda text: (BROKER, 5, 60)
    try:
        check([(by_name["network down"],)], wrong)
    finally:
        worlds.attribution.of_session = plain
    look = worlds.attribution.Line.look

    def blames_units(self, faults):
        self._scheduler.fault = False
        look(self, faults)

    worlds.attribution.Line.look = blames_units
    try:
        check([(by_name["cable cut"],)], wrong)
    finally:
        worlds.attribution.Line.look = look
    assert len(wrong) == 2, wrong
