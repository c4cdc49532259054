"""Why there is no session, in words for a technician: each text ends the sentence "broker 10.0.0.5:1883: ..."."""

import errno

# MQTT 3.1.1, table 3.1: CONNACK return codes.
_REFUSALS = (
    "",
    "does not speak MQTT 3.1.1",
    "refused the client identifier",
    "says: service unavailable",
    "refused the login: bad user name or password",
    "refused the login: not authorised",
)

# What the network seam's OSErrors mean; a port knows some of the names only.
_PHRASES = (
    ("ECONNREFUSED", "connection refused"),
    ("ECONNRESET", "connection reset"),
    ("ECONNABORTED", "connection aborted"),
    ("EPIPE", "connection closed by the broker"),
    ("EHOSTUNREACH", "host unreachable"),
    ("ENETUNREACH", "network unreachable"),
    ("ETIMEDOUT", "connection timed out"),
    ("EINVAL", "not a numeric IPv4 address"),
)


def refusal(code):
    """The phrase for a CONNACK return code other than 0."""
    return _REFUSALS[code] if code < len(_REFUSALS) else "refused the login with code %d" % code


def reason_of(error):
    """One clear phrase for an OSError of the network seam."""
    code = error.args[0] if error.args else 0
    for name, phrase in _PHRASES:
        if code == getattr(errno, name, -1):
            return phrase
    return str(code) if isinstance(code, str) else "network error %s" % code
