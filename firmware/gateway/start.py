"""The start of the gateway: from what gateway.planning made, board and configuration to a Gateway that is ready to run.

What stands here is needed once; `Gateway` drops it from memory when it is built. Everything that can fail does so
here, and says clearly what failed.
"""

import os
import random

from flashlog.log import FlashLog
from gateway import schema as schemas
from gateway import telemetry, unload
from gateway.app import below
from gateway.clock import Uptime
from gateway.keeper import Keeper
from gateway.publisher import Publisher
from gateway.recorder import Recorder
from gateway.reports import Reports
from uplink.session import Session


def build(gateway, parts, planned, it):
    """Make `gateway` of its parts; see Gateway. Raises what the flash log raises."""
    clock = parts.clock
    ot = planned.ot
    gateway.clock = clock
    gateway.net = parts.net
    gateway.lamp = None
    gateway.led = parts.led
    if parts.led:
        from gateway.lamp import Lamp  # only where there is an LED

        gateway.lamp = Lamp(parts.led, gateway)
    gateway.console = parts.console
    gateway.rs485 = parts.rs485  # how many ports the board has
    gateway.box = it["box"]
    gateway.tap = None  # called with each result while the console shows them
    gateway.trial_s = 0  # the configuration is on trial for so long, see gateway.revisions
    gateway._ending = None  # True or False: the run is to end, see Gateway.restart
    gateway.plans = planned.plans
    gateway.virtual_groups = len(planned.computed)
    gateway.schema = gateway._stored = planned.schema
    gateway.halves = tuple([(half["revision"], half["hash"]) for half in (ot, it)])
    gateway.log = log = FlashLog(parts.flash, os.urandom(4))
    log.mount()
    gateway.boot = log.begin_boot()
    unload.starters(True)  # what follows may need the room
    gateway._dropped = log.stats.dropped  # of that, events have told
    gateway._damaged = 0
    gateway.uptime = Uptime(clock)
    gateway.started_ms = gateway.uptime.ms()
    publish = it["publish"]
    gateway.recorder = Recorder(log, clock, gateway.uptime, gateway.boot, gateway.schema, publish["flush_ms"])
    gateway.who = telemetry.identity(it["box"], gateway.boot, log.log_id)
    base = "/".join([it["place"][part] for part in ("enterprise", "site", "area", "line", "cell", "asset")])
    gateway.base = base
    gateway.timekeeper = None  # where the time is asked for or TLS is used
    gateway.tls = None  # where a broker has it
    gateway.session = _make_session(gateway, parts.net, it, base)
    if publish["payload"] == "sparkplug":
        from gateway import sparkplug  # only where it is configured

        gateway.publisher = sparkplug.make(gateway, base, it)
    else:
        gateway.publisher = Publisher(log, gateway.session, clock, base, publish)
    gateway.latest = None
    if publish["latest_s"]:
        from gateway.latest import Latest  # only where it is configured

        gateway.latest = Latest(schemas.lines(gateway.schema))
    gateway.edge = None
    if planned.banded or any([ot.get(section) for section in ("derived", "aggregates", "alarms", "anomaly")]):
        from gateway import edge_start  # only where it is configured

        gateway.edge = edge_start.make(gateway, ot)
    gateway.scada = gateway.reader = None  # for a SCADA: what is told of samples, who serves them (gateway.scada_task)
    if planned.map:
        settings = it["modbus_tcp"]
        gateway.reader = planned.map + (parts.net, settings["port"], settings["allowed"])
    gateway.reset_cause = getattr(parts, "reset_cause", "other")
    gateway.identify = [bus["identify"] for bus in ot["buses"]]
    gateway.reports = Reports(gateway, publish)
    gateway.production = None
    gateway.buses = []
    gateway.ports = parts.ports
    gateway.recorder.know(planned.columns)
    if planned.special:
        import points.parts  # noqa: F401  (the publisher's; loaded now instead of between polls)
    for port, plan, bus in zip(parts.ports, gateway.plans, ot["buses"]):
        gateway.buses.append(_make_bus(gateway, port, plan, bus["mode"]))
    gateway.faults = None
    gateway._greeting = False  # a broker is to be told what the data mean
    if ot.get("attribution"):
        from gateway.faults import FaultWatch  # only where it is configured

        gateway.faults = FaultWatch(gateway)
    gateway.keeper = Keeper(
        clock, gateway.uptime, gateway.buses, log, gateway.recorder, gateway.publisher, parts.watchdog
    )


def _make_bus(gateway, port, plan, mode):
    if mode == "listen":
        from modbus.listenbus import ListeningBus  # only where it is configured

        return ListeningBus(port, gateway.clock, plan.line, plan, gateway._on_result, gateway._on_bus_event)
    from modbus.bus import Bus

    return Bus(port, gateway.clock, plan.line, plan, gateway._on_result, gateway._on_bus_event, below)


def _make_session(gateway, net, it, base):
    mqtt = it["mqtt"]
    hosts = [server["host"] for server in mqtt["brokers"] + it["time_servers"]]
    if any([host != "localhost" and not host.replace(".", "").isdigit() for host in hosts]):
        from uplink.resolver import Names  # only where there is a name to look up

        net = Names(net, gateway.clock, random.getrandbits)
    if it["time_servers"] or any([broker["tls"] for broker in mqtt["brokers"]]):
        from gateway import secure

        net, gateway.timekeeper = secure.front(gateway, net, it)
    make, topic_bytes = Session, len(base.encode()) + 48  # /latest/<name of a unit>/<group>
    buffer_bytes = 6144  # the longest meta message, or two batches and a bit
    if it["publish"]["payload"] == "sparkplug":
        from uplink.sparkplug_session import SparkplugSession as make  # only where it is configured

        topic_bytes = 224
        buffer_bytes = 8192  # a birth is one message of up to 6 KB
    session = make(
        net,
        gateway.clock,
        random.getrandbits,
        {
            "client_id": it["box"],
            "brokers": [(broker["host"], broker["port"]) for broker in mqtt["brokers"]],
            "tls_brokers": [i for i, broker in enumerate(mqtt["brokers"]) if broker["tls"]],
            "user": mqtt["user"],
            "password": mqtt["password"],
            "keep_alive_s": mqtt["keep_alive_s"],
            "buffer_bytes": buffer_bytes,
            "topic_bytes": topic_bytes,
        },
    )
    session.set_last_will(base + "/status", telemetry.offline(gateway.who))
    session.on_state = gateway._on_session
    return session
