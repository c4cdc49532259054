"""What a configuration half may contain: one table per half.

`check(value, rule, path, errors)` walks a parsed JSON tree against a rule, appends one
line per mistake to `errors` and returns the tree with defaults filled in. The tables are
the only place where keys, ranges and defaults stand.

A rule is a tuple; its first item names the kind:
  ("int", low, high)  ("number",)  ("number", low, high)  ("number", None) but 0  ("text", max_chars)
  ("name", max_chars)
  ("topic", max_chars)  ("one", allowed values)  ("list", rule, min, max)
  ("map", {key: (rule, default)})  ("or_null", rule)  ("ipv4",)  ("ipv4", "/") also a network
  ("host",)  ("form", name, max_chars): text that gateway.forms reads
  ("type", allowed values), stringN besides  ("unit",)  ("raw",)  ("names",): of points, see lib/points/DESIGN.md
  ("lazy", key): the rule lies in gateway.edge_rules or gateway.machine_rules, which is loaded for it
"""

REQUIRED = object()
ABSENT = object()  # as a default: a key that is not given stays away

_INNER = ("map", "list", "or_null", "lazy")  # kinds with more inside
_NAME_CHARS = "abcdefghijklmnopqrstuvwxyz0123456789_-"

# Beside stringN, N bytes.
_TYPES = (
    "bool", "uint16", "int16", "uint32", "int32", "float32", "uint64", "int64", "float64", "bcd16", "bcd32",
)  # fmt: skip

POINT = (
    "map",
    {
        "name": (("name", 32), REQUIRED),
        "fc": (("int", 1, 4), REQUIRED),
        "address": (("int", 0, 65535), REQUIRED),
        "type": (("type", _TYPES), REQUIRED),
        "order": (("one", ("ABCD", "CDAB", "BADC", "DCBA")), "ABCD"),
        "bit": (("int", 0, 31), ABSENT),  # of a uint16 or uint32: the value is true or false
        "bits": (("list", ("int", 0, 32), 2, 2), ABSENT),  # the lowest one and how many: the value is that number
        "scale": (("number", None), 1),
        "offset": (("number",), 0),
        "scale_from": (("name", 32), ABSENT),  # a point that scales this one, in the same read
        "scale_as": (("one", ("exponent", "decimals", "divisor")), ABSENT),  # x 10^s, / 10^s, / s
        "na": (("list", ("raw",), 1, 4), ABSENT),  # raw values that mean: not available
        "low": (("number",), ABSENT),  # below it a value is out of range
        "high": (("number",), ABSENT),
        "unit": (("unit",), ""),
        "names": (("names",), ABSENT),  # {"0": "stop"}: of the numbers of an enumeration
        "period_ms": (("int", 20, 86400000), 1000),
        "priority": (("int", 0, 3), 1),  # 3: polled first when the bus has not time for all that is due
        "deadband": (("number", 0, 1e30), ABSENT),  # recorded when moved by more; 0: when changed; see lib/edge
        "deadband_percent": (("number", 0, 100), ABSENT),
        "heartbeat_s": (("int", 1, 86400), ABSENT),  # recorded at least so often; 60
    },
)

_HOLE = (
    "map",
    {
        "fc": (("int", 1, 4), REQUIRED),
        "address": (("int", 0, 65535), REQUIRED),
        "count": (("int", 1, 65535), 1),
    },
)

UNIT = (
    "map",
    {
        "name": (("name", 32), REQUIRED),
        "unit_id": (("int", 1, 247), REQUIRED),  # Modbus over serial line V1.02, 2.2: 248..255 reserved
        "first_byte_timeout_ms": (("int", 5, 10000), 200),
        "inter_byte_timeout_ms": (("int", 2, 1000), 10),
        "retries": (("int", 0, 5), 1),
        "max_registers": (("int", 1, 125), 60),  # Modbus application protocol V1.1b3, 6.3: at most 125
        "max_gap": (("int", 0, 124), 8),
        "functions": (("list", ("int", 1, 4), 1, 4), (1, 2, 3, 4)),  # function codes that the unit knows
        "holes": (("list", _HOLE, 0, 32), ()),  # addresses that no read may touch, points between them or not
        "comm_loss_ms": (("int", 0, 3600000), 0),  # the unit acts when it is not asked for so long; 0: it does not
        "points": (("list", POINT, 1, 200), REQUIRED),
    },
)

BUS = (
    "map",
    {
        "name": (("name", 32), REQUIRED),
        "port": (("int", 0, 3), 0),
        "identify": (("one", (False, True)), False),  # ask the units who they are (FC 43/14, FC 17), once per start
        "baud": (("int", 1200, 1000000), 19200),
        "serial_format": (("one", ("8N1", "8E1", "8O1", "8N2")), "8E1"),
        "max_busy_percent": (("int", 1, 100), 100),
        "mode": (("one", ("poll", "listen")), "poll"),  # listen: beside somebody else's client, never driving the line
        "units": (("list", UNIT, 1, 64), REQUIRED),
    },
)

OT = (
    "map",
    {
        "format": (("one", (1,)), REQUIRED),
        "owner": (("text", 32), REQUIRED),
        "revision": (("int", 0, 1000000000), REQUIRED),
        "buses": (("list", BUS, 1, 2), REQUIRED),
        "derived": (("lazy", "derived"), ABSENT),  # these four: gateway.edge_rules
        "aggregates": (("lazy", "aggregates"), ABSENT),
        "alarms": (("lazy", "alarms"), ABSENT),
        "anomaly": (("lazy", "anomaly"), ABSENT),
        "machine": (("or_null", ("lazy", "machine")), None),  # gateway.machine_rules, lib/production
        "attribution": (("one", (False, True)), False),  # whose fault it is: gateway.faults
    },
)

_PLACE = ("map", {key: (("topic", 32), REQUIRED) for key in ("enterprise", "site", "area", "line", "cell", "asset")})

_TLS = (
    "map",
    {
        "ca": (("text", 64), REQUIRED),  # files in DER: `fieldgate certs convert`
        "cert": (("or_null", ("text", 64)), None),  # of the box, with its key, where the broker wants one
        "key": (("or_null", ("text", 64)), None),
        "server_name": (("or_null", ("text", 64)), None),  # in the broker's certificate; null: its host
    },
)

_BROKER = (
    "map",
    {
        "host": (("host",), REQUIRED),
        "port": (("int", 1, 65535), 1883),
        "tls": (("or_null", _TLS), None),
    },
)

_WIFI = (
    "map",
    {
        "ssid": (("text", 32), REQUIRED),
        "key": (("or_null", ("text", 63)), None),  # null: an open network
    },
)

_ADDRESS = ("map", {key: (("ipv4",), REQUIRED) for key in ("ip", "netmask", "gateway", "dns")})

_MODBUS_TCP = (
    "map",
    {
        "port": (("int", 1, 65535), 502),
        "allowed": (("list", ("ipv4", "/"), 1, 8), REQUIRED),  # who may read: addresses, or networks as 10.0.0.0/24
    },
)

_TIME_SERVER = ("map", {"host": (("host",), REQUIRED), "port": (("int", 1, 65535), 123)})

_NETWORK = (
    "map",
    {
        "wifi": (("list", _WIFI, 0, 8), []),  # best first; a board with Ethernet uses it if there is none
        "country": (("or_null", ("text", 2)), None),
        "address": (("or_null", _ADDRESS), None),  # null: asked from a DHCP server
    },
)

_SPARKPLUG = (
    "map",
    {
        "group": (("or_null", ("topic", 32)), None),  # null: place.site
        "node": (("or_null", ("topic", 32)), None),  # null: box
        "host": (("or_null", ("topic", 32)), None),  # primary host that must be online
    },
)

IT = (
    "map",
    {
        "format": (("one", (1,)), REQUIRED),
        "owner": (("text", 32), REQUIRED),
        "revision": (("int", 0, 1000000000), REQUIRED),
        "box": (("name", 23), REQUIRED),  # MQTT 3.1.1, 3.1.3.1: a server must accept client ids of 1..23 bytes
        "place": (_PLACE, REQUIRED),
        "network": (_NETWORK, {}),
        "time_servers": (("list", _TIME_SERVER, 0, 4), []),  # none: brokers with TLS are asked
        "modbus_tcp": (("or_null", _MODBUS_TCP), None),  # the latest values for a SCADA; null: no server
        "mqtt": (
            (
                "map",
                {
                    "brokers": (("list", _BROKER, 1, 4), REQUIRED),
                    "user": (("or_null", ("text", 64)), None),
                    "password": (("or_null", ("text", 64)), None),
                    "keep_alive_s": (("int", 5, 3600), 20),
                },
            ),
            REQUIRED,
        ),
        "publish": (
            (
                "map",
                {
                    "batch_records": (("int", 1, 240), 64),
                    "batch_age_ms": (("int", 100, 60000), 1000),
                    "flush_ms": (("int", 50, 60000), 1000),
                    "telemetry_s": (("int", 1, 3600), 60),
                    "payload": (("one", ("columns", "typed", "sparkplug")), "columns"),  # see lib/uplink
                    "sparkplug": (_SPARKPLUG, {}),
                    "homeassistant": (("or_null", ("topic", 32)), None),  # prefix of its discovery topics
                    "backfill_bytes_per_s": (("int", 0, 1000000), 16384),  # 0: no limit
                    "latest_s": (("int", 0, 3600), 0),  # 0: off, as with the next one
                    "assets_s": (("int", 0, 86400), 3600),
                },
            ),
            {},
        ),
    },
)


def check(value, rule, path, errors):
    """Check `value`; return it with defaults filled in. Mistakes go to `errors` as text lines."""
    kind = rule[0]
    if kind == "lazy":
        return check(value, opened(rule), path, errors)
    if kind == "map":
        return _check_map(value, rule[1], path, errors)
    if kind == "list":
        return _check_list(value, rule, path, errors)
    if kind == "or_null":
        return None if value is None else check(value, rule[1], path, errors)
    wanted = _mistake(value, rule)
    if wanted:
        errors.append("%s: found %s, allowed %s" % (path, shown(value), wanted))
    return value


def opened(rule):
    """The rule behind a lazy one."""
    if rule[1] == "machine":
        from gateway import machine_rules

        return machine_rules.MACHINE
    from gateway import edge_rules

    return edge_rules.TABLES[rule[1]]


def shown(value):
    """`value` as a short piece of JSON-like text for an error line."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list of %d" % len(value)
    text = '"%s"' % _printable(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else text[:36] + '..."'


def _printable(text):
    # An error is one line, whatever stands in the file.
    return "".join([c if c >= " " else "?" for c in text[:40]])


def _mistake(value, rule):
    # What is allowed, when `value` is not; otherwise None. A bool is an int in Python, not in JSON.
    kind = rule[0]
    if kind == "int":
        if type(value) is int and rule[1] <= value <= rule[2]:
            return None
        return "a whole number %d..%d" % (rule[1], rule[2])
    if kind == "name":
        if isinstance(value, str) and 0 < len(value) <= rule[1] and not value.strip(_NAME_CHARS):
            return None
        return "1..%d characters out of a-z 0-9 _ -" % rule[1]
    if kind == "type" and value in rule[1]:
        return None
    if kind == "one":
        for allowed in rule[1]:
            if value == allowed and type(value) is type(allowed):
                return None
        return " or ".join(shown(allowed) for allowed in rule[1])
    if kind == "number":
        if type(value) in (int, float) and -1e30 < value < 1e30:
            if len(rule) == 1 or (value if len(rule) == 2 else rule[1] <= value <= rule[2]):
                return None
        return "a number" if len(rule) == 1 else "a number other than 0" if len(rule) == 2 else _between(rule)
    if kind == "text":
        if isinstance(value, str) and len(value) <= rule[1] and min(value or " ") >= " ":
            return None
        return "text of at most %d characters" % rule[1]
    if kind == "unit":
        from gateway import units

        return units.mistake(value)
    if kind in ("type", "raw", "names"):
        from gateway import config_points  # what few points have

        return config_points.mistake(value, rule)
    if kind == "form":
        from gateway import forms

        return forms.mistake(value, rule)
    if kind == "host":
        if isinstance(value, str) and len(value) <= 64 and is_host(value):
            return None
        return "an IPv4 address or a host name (letters, digits, - and .)"
    if kind == "ipv4":
        if len(rule) > 1 and isinstance(value, str) and "/" in value:
            value, _, bits = value.partition("/")
            if not (bits.isdigit() and int(bits) <= 32):
                value = ""
        parts = value.split(".") if isinstance(value, str) else []
        if len(parts) == 4 and all(part.isdigit() and int(part) < 256 for part in parts):
            return None
        return "an IPv4 address as 192.168.1.5"
    assert kind == "topic", kind
    if isinstance(value, str) and 0 < len(value) <= rule[1] and value[0] != "$":
        if not any(c in "/+#" or c < " " for c in value):
            return None
    return "1..%d characters without / + # and no leading $" % rule[1]


def _between(rule):
    return "%g..%g" % rule[1:] if rule[2] < 1e30 else "%g or more" % rule[1]


def is_host(host):
    """RFC 1123, 2.1: labels of letters, digits and hyphens; digits only where it is a whole IPv4 address."""
    labels = host.split(".")
    if all([label.isdigit() for label in labels]):
        return len(labels) == 4 and all([len(label) <= 3 and int(label) <= 255 for label in labels])
    for label in labels:
        if not 0 < len(label) <= 63 or label[0] == "-" or label[-1] == "-":
            return False
        if not all([c.isalpha() and ord(c) < 128 or c.isdigit() or c == "-" for c in label]):
            return False
    return True


def _check_list(value, rule, path, errors):
    if not isinstance(value, (list, tuple)) or not rule[2] <= len(value) <= rule[3]:
        errors.append("%s: found %s, allowed a list of %d..%d" % (path, shown(value), rule[2], rule[3]))
        return []
    return [check(item, rule[1], "%s[%d]" % (path, i), errors) for i, item in enumerate(value)]


def _check_map(value, keys, path, errors):
    if not isinstance(value, dict):
        errors.append("%s: found %s, allowed an object" % (path or "(whole file)", shown(value)))
        value = {}
        if path:
            return value
    prefix = path + "." if path else ""
    unknown = [str(key) for key in value if key not in keys]  # MicroPython's reader takes keys that are no strings
    for key in sorted(unknown):
        errors.append("%s%s: unknown key, allowed %s" % (prefix, _printable(key), ", ".join(sorted(keys))))
    for key in keys:  # this is the longest part of a start with many points: no texts are made for what is right
        rule, default = keys[key]
        if key in value:
            if rule[0] in _INNER:
                value[key] = check(value[key], rule, prefix + key, errors)
            elif _mistake(value[key], rule):
                check(value[key], rule, prefix + key, errors)
        elif default is ABSENT:
            continue
        elif default is REQUIRED:
            errors.append("%s%s: missing, %s" % (prefix, key, _wanted(rule)))
        elif isinstance(default, dict):
            value[key] = check(dict(default), rule, prefix + key, errors)
        else:
            value[key] = list(default) if isinstance(default, list) else default
    return value


def _wanted(rule):
    kind = rule[0]
    if kind in ("map", "list"):
        return "an object is required" if kind == "map" else "a list is required"
    return "required: " + (_mistake(None, rule) or kind)
