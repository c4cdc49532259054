"""Device side of the uplink's end-to-end tests, run on MicroPython: publishes numbered messages through a Session.

Standard input: one line of JSON (an argument of this runtime may have 255 bytes only) with ports, count, size (bytes),
start (first number), settings (of Session), pause_ms between publishes; with `dns`, a list of name servers' ports on
127.0.0.1, the broker is called by the name `host`. With `tls`, a dict of ca, cert, key, server_name, all brokers have
it; `utc_days` moves the clock that judges dates, null unsets it. `one_try` ends at the first text.
Prints one JSON line when it is up for the first time and one at the end. Payload k begins with k in 8 digits.
"""

import gc
import json
import random
import sys
import time

from ports.linux.clock import Clock
from ports.linux.net import Net
from uplink.session import SECURING, Session

plan = json.loads(sys.stdin.readline())
count = plan["count"]
size = plan["size"]
pause_ms = plan.get("pause_ms", 0)
settings = plan.get("settings", {})
settings["client_id"] = "publisher"
settings["brokers"] = [(plan.get("host", "127.0.0.1"), port) for port in plan["ports"]]
clock = Clock()
net = Net()
if "dns" in plan:
    from uplink.resolver import Names

    net.dns_servers = lambda: [("127.0.0.1", port) for port in plan["dns"]]
    net = Names(net, clock, random.getrandbits)
if plan.get("tls"):
    import tls

    from uplink.tls_link import TlsNet

    class Pauses:
        """A bus that grants a pause at the second time of asking."""

        asked = steps = open = 0

        def ask(self):
            self.asked += 1
            self.open = self.asked % 2 == 0
            self.steps += self.open
            return self.open

        def done(self):
            self.open = 0

    def utc_ms():
        days = plan.get("utc_days", 0)
        return None if days is None else clock.utc_ms() + days * 86400000

    pauses = Pauses()
    settings["tls_brokers"] = list(range(len(settings["brokers"])))
    secured = {broker: plan["tls"] for broker in settings["brokers"]}
    net = TlsNet(net, clock, secured, utc_ms, pauses, tls)
session = Session(net, clock, random.getrandbits, settings)
session.set_last_will("test/status", "offline")
texts = []
expected = []
problems = []


def on_state(up, text):
    texts.append(text)
    if len(texts) == 1 or plan.get("verbose"):
        print(json.dumps({"up": up, "text": text}))


def on_ack(token):
    if expected.pop(0) != token:
        problems.append("acknowledged out of order")


session.on_state = on_state
session.on_ack = on_ack
payload = bytearray(size)
topic = plan.get("topic", "test/data")
sent = plan.get("start", 0)
end = sent + count
hold_us = cpu_s = secure_us = secure_cpu_s = 0
last = clock.ticks_ms()
began = clock.ticks_ms()
give_up_ms = plan.get("give_up_ms", 120000)
while (
    not (plan.get("one_try") and texts)
    and session.acked < count
    and clock.ticks_diff(clock.ticks_ms(), began) < give_up_ms
):
    started = time.ticks_us()
    cpu_started = time.clock()
    while sent < end and session.can_publish(size):
        if pause_ms and clock.ticks_diff(clock.ticks_ms(), last) < pause_ms:
            break
        last = clock.ticks_ms()
        payload[:8] = b"%08d" % sent
        expected.append(session.publish(topic, payload))
        sent += 1
    state = session.state
    more = session.service()
    if state == SECURING:
        secure_us = max(secure_us, time.ticks_diff(time.ticks_us(), started))
        secure_cpu_s = max(secure_cpu_s, time.clock() - cpu_started)
    hold_us = max(hold_us, time.ticks_diff(time.ticks_us(), started))
    cpu_s = max(cpu_s, time.clock() - cpu_started)
    if not more:
        time.sleep_us(100 if session.unacked and session.ready else 1000)
took_ms = clock.ticks_diff(clock.ticks_ms(), began)
gc.collect()
print(
    json.dumps(
        {
            "acked": session.acked,
            "resent": session.resent,
            "connects": session.connects,
            "failures": session.failures,
            "strays": session.strays,
            "hold_max_us": hold_us,
            "hold_cpu_us": int(cpu_s * 1e6),
            "took_ms": took_ms,
            "secure_max_us": secure_us,
            "secure_cpu_us": int(secure_cpu_s * 1e6),
            "steps": pauses.steps if plan.get("tls") else 0,
            "umqtt": sys.modules["umqtt.simple"].__file__, "texts": texts[-40:],
            "problems": problems,
            "last_error": session.last_error,
            "heap_bytes": gc.mem_alloc(),
        }
    )
)
session.on_state = None
session.close()
