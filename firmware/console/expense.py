"""What a configuration costs beside bus and flash: bytes to the broker, and memory for what it switches on."""

import os
import sys

# Bytes a day, beside the replies: a batch's topic, envelope and MQTT; the largest telemetry (gateway.vitals).
_BATCH_BYTES = 120
_TELEMETRY_BYTES = 3328
_SPARKPLUG_VALUE_BYTES = 18  # measured: 144 for 8 values
_LATEST_VALUE_BYTES = 24
_TLS_HEAP = 27000  # while connected, measured
_SPARE_BYTES = 16384
_CHECK_BYTES = 16384  # of what is loaded now for the check itself
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


def memory(it, listens, free):
    """Lines about the heap: each feature that is on, and what of it is not loaded now. free: bytes."""
    wanted = _wanted(it, listens)
    parts, missing, seen = [], 0, {}
    for name, modules in _FEATURES:
        if name not in wanted:
            continue
        size = 0
        for module in modules.split():
            bytes_of = _heap_bytes(module)
            size += bytes_of
            if module not in sys.modules and module not in seen:
                missing += bytes_of
            seen[module] = True
        if name == "TLS":
            size += _TLS_HEAP
            missing += 0 if "uplink.tls_link" in sys.modules else _TLS_HEAP
        parts.append("%s %d KB" % (name, (size + 1023) // 1024))
    lines = ["memory: %s; %d KB are free now" % (", ".join(parts), free // 1024)]
    if missing and missing + _SPARE_BYTES > free + _CHECK_BYTES:
        lines.append("!  memory: it needs %d KB more, which may not fit: fewer features" % (missing // 1024 + 1))
    return lines


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
