"""Texts of the configuration that have a form of their own: is one well-formed by itself? For `set` and the start.

What the names in them mean only the whole configuration shows (gateway.edge_rules, gateway.machine_rules).
"""

_ALLOWED = {
    "clock": "HH:MM",
    "moment": "YYYY-MM-DD HH:MM, local time",
    "zone": "UTC, +hh:mm or a POSIX TZ rule as CET-1CEST,M3.5.0,M10.5.0/3",
    "when": 'unit.point, "not", == != < <= > >= &, "and"',
    "expression": "an expression",
}


def mistake(value, rule):
    """What is allowed, when `value` is not; otherwise None. rule: ("form", name, max_chars) of gateway.rules."""
    name, most = rule[1:]
    allowed = _ALLOWED[name]
    if not isinstance(value, str):
        return allowed
    if len(value) > most or min(value or " ") < " ":
        return "text of at most %d characters" % most
    try:
        if name == "expression":
            from edge.expression import parse

            parse(value, _any)
        else:
            from production import texts

            parse = {"clock": texts.clock_of, "moment": texts.moment_of, "zone": texts.zone_of, "when": texts.terms}
            parse[name](value)
    except ValueError as error:
        return "%s: %s" % (allowed, error) if name in ("when", "expression") else allowed
    return None


def _any(name):
    # Input 0, without scale and offset: names are looked up with the points at hand.
    return 0, 1, 0
