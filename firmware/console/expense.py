"""What a configuration costs beside bus and flash: bytes to the broker, and memory for what it switches on."""

import gc
import os
import sys

# Bytes a day, beside the replies: a batch's topic, envelope and MQTT; the largest telemetry (gateway.vitals).
_BATCH_BYTES = 120
_TELEMETRY_BYTES = 3328
_SPARKPLUG_VALUE_BYTES = 18  # measured: 144 for 8 values
_LATEST_VALUE_BYTES = 24
_TLS_HEAP = 27000  # while connected, measured
_CHECK_BYTES = 16384  # of what is loaded now for the check itself
# On a board, measured (host_tests/emulated/README.md).
_SPARE_BYTES = 16384
_UNIT_BYTES = 380
_READ_BYTES = 300
_POINT_BYTES = 7
# Heap of boards that have more than a Pico W (boards/README.md).
_BOARDS = (("W5500_EVB_PICO", 235520), ("RPI_PICO2_W", 409600), ("ESP32_GENERIC_S3 with PSRAM", 2097152))
_HEAP_PER_BYTE = 3  # halves: 1.5 bytes of heap for a byte of .mpy
# What is loaded only where it is configured.
_FEATURES = (
    ("names", "uplink.resolver uplink.dns"),
    ("time", "gateway.secure gateway.timekeeper uplink.sntp uplink.dns"),
    ("TLS", "uplink.tls_link uplink.tls_records uplink.tls_dates gateway.secure gateway.timekeeper"),
    ("typed", "uplink.typed uplink.batch"),
    ("columns", "uplink.envelope uplink.columns uplink.batch"),
    ("sparkplug", "gateway.sparkplug gateway.sparkplug_births uplink.sparkplug uplink.sparkplug_session"),
    ("latest", "gateway.latest gateway.decimals"),
    ("homeassistant", "gateway.homeassistant"),
    ("modbus_tcp", "gateway.scada_task scada.image scada.server umodbus.functions umodbus.const ports.listening"),
    ("listen", "modbus.listenbus modbus.listener modbus.overhear"),
)


def network(publish, records, reply_bytes, values):
    """One line about the most that goes to the broker. records, reply_bytes, values: a day."""
    if publish["payload"] == "sparkplug":
        data = values * _SPARKPLUG_VALUE_BYTES
    else:
        by_count = records // publish["batch_records"] + 1
        batches = min(records, max(by_count, 86400000 // publish["batch_age_ms"]))
        data = reply_bytes + batches * _BATCH_BYTES
    telemetry = 86400 // publish["telemetry_s"] * _TELEMETRY_BYTES
    if publish["latest_s"]:
        telemetry += min(values, 86400 // publish["latest_s"] * 64) * _LATEST_VALUE_BYTES
    return "at most %s MB a day to the broker, of that %s about the box and the present" % (
        _mb(data + telemetry),
        _mb(telemetry),
    )


def _mb(count):
    tenths = count // 100000
    return "%d.%d" % (tenths // 10, tenths % 10)


def memory(it, listens):
    """A line about the heap: each feature that is on, and what is free."""
    parts = []
    for name in _wanted(it, listens):
        parts.append("%s %d KB" % (name, (_feature(name, {}, True) + 1023) // 1024))
    return "memory: %s; %d KB are free now" % (", ".join(parts), _free() // 1024)


def too_much(it, listens, counts, plans):
    """The line that says what is missing, None where it fits. counts: units, reads and points; plans: those in use. Ask
    after a collection."""
    need = _heap_of(*counts) + _SPARE_BYTES - _CHECK_BYTES - _free()
    for plan in plans:
        need -= _heap_of(len(plan.units), len(plan.reads), sum([len(read.sections) // 3 for read in plan.reads]))
    seen = {}
    for name in _wanted(it, listens):
        need += _feature(name, seen, False)
    if need <= 0:
        return None
    larger = _named(_all() + need)
    line = "memory: found %d units, %d reads, %d points, which need %d KB more than it has: fewer of them or features"
    line %= tuple(counts) + (need // 1024 + 1,)
    return line + (", or a board with more, as " + larger if larger else "")


def _heap_of(units, reads, points):
    return units * _UNIT_BYTES + reads * _READ_BYTES + points * _POINT_BYTES


def _named(least_bytes):
    return ", ".join(["%s (%d KB)" % (name, heap // 1024) for name, heap in _BOARDS if heap >= least_bytes])


def _all():
    return _free() + gc.mem_alloc()


def _free():
    return gc.mem_free() if hasattr(gc, "mem_free") else 0


def _feature(name, seen, loaded):
    """Heap for a feature: of modules that were not `seen` and, unless those count as well, are not `loaded`."""
    size = 0
    for feature, modules in _FEATURES:
        if feature == name:
            for module in modules.split():
                if module not in seen and (loaded or module not in sys.modules):
                    size += _heap_bytes(module)
                seen[module] = True
    if name == "TLS" and (loaded or "uplink.tls_link" not in sys.modules):
        size += _TLS_HEAP
    return size


def _wanted(it, listens):
    mqtt, publish = it["mqtt"], it["publish"]
    hosts = [server["host"] for server in mqtt["brokers"] + it["time_servers"]]
    wanted = [publish["payload"]]
    for name, on in (
        ("names", any([host != "localhost" and not host.replace(".", "").isdigit() for host in hosts])),
        ("time", bool(it["time_servers"])),
        ("TLS", any([broker["tls"] for broker in mqtt["brokers"]])),
        ("latest", bool(publish["latest_s"])),
        ("homeassistant", bool(publish["homeassistant"])),
        ("modbus_tcp", bool(it["modbus_tcp"])),
        ("listen", listens),
    ):
        if on:
            wanted.append(name)
    return wanted


def _heap_bytes(module):
    """Heap for the code of a module as it lies on the box; 0 where it is frozen into the image."""
    root = __file__[: __file__.rfind("console/")]
    try:
        return os.stat(root + module.replace(".", "/") + ".mpy")[6] * _HEAP_PER_BYTE // 2
    except OSError:
        return 0
