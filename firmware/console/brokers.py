"""What is wrong with a broker, and what to do: by trying it once (set-up), or from what the session says."""

import random

from uplink.session import UP

_TRY_WAITS = 300  # of 0.1 s: name, TCP, TLS and login have time-outs of their own below that
# What a session says, and the next step.
_STEPS = (
    ("refused the login", "user or password is wrong, or this client may not: ask IT"),
    ("do not know", "the name is wrong, or lives in another network"),
    ("name server", "no name server answers: type its address instead of the name"),
    ("is not a name", "type a name or an address like 10.0.0.5"),
    ("not a numeric", "type a name or an address like 10.0.0.5"),
    ("connection refused", "the machine is there, but no broker listens at this port"),
    ("no connection within", "nothing answers: address, route, firewall or port are wrong"),
    ("unreachable", "no route there: address, netmask or gateway are wrong"),
    ("needs tls", "type the port with tls behind it"),
    ("TLS port?", "the broker may want TLS: type the port with tls behind it"),
    ("clock is not set", "TLS needs the time: type time 2026-11-23 23:30:05"),
    ("certificate", "the CA file does not fit to this broker, or its name or dates do not"),
    ("no such file", "bring the certificate with mpremote cp"),
    ("network is down", "no cable, no Wi-Fi or no address: type net"),
)


def hint(text):
    """The next step for what a session says, "" for none known."""
    for words, step in _STEPS:
        if words in text:
            return step
    return ""


def attempt(gateway, net, it):
    """Yields None; returns "" once a broker has taken us in, else why it has not. net: the port's. it: the IT half."""
    from uplink.session import Session

    broker = it["mqtt"]["brokers"][0]
    host, port, tls = broker["host"], broker["port"], broker.get("tls")
    clock = gateway.clock
    if host != "localhost" and not host.replace(".", "").isdigit():
        from uplink.resolver import Names

        net = Names(net, clock, random.getrandbits)
    if tls:
        import tls as library

        from uplink.tls_link import TlsNet

        tls = {"ca": tls["ca"], "cert": tls.get("cert"), "key": tls.get("key"), "server_name": tls.get("server_name")}
        net = TlsNet(net, clock, {(host, port): tls}, clock.utc_ms, _AtOnce(), library)
    settings = {"client_id": it["box"], "brokers": [(host, port)], "tls_brokers": [0] if tls else []}
    settings["buffer_bytes"] = settings["topic_bytes"] = 256
    settings["user"], settings["password"] = it["mqtt"].get("user"), it["mqtt"].get("password")
    said = []
    session = Session(net, clock, random.getrandbits, settings)
    session.on_state = lambda up, text: said.append("" if up else text)
    try:
        for _ in range(_TRY_WAITS):
            for _ in range(50):
                session.service()
            if said or session.state == UP:
                break
            yield None
    finally:
        session.on_state = None
        session.close()
    return said[0].split(": ", 1)[-1] if said else "no answer"


class _AtOnce:
    """There is no bus that could notice a handshake."""

    @staticmethod
    def ask():
        return True

    @staticmethod
    def done():
        pass
