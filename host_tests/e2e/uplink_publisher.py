"""Device side of the uplink's end-to-end tests, run on MicroPython: publishes numbered messages through a Session.

argv: JSON with ports, count, size (bytes), start (first number), settings (of Session), pause_ms between publishes;
with `dns`, a list of name servers' ports on 127.0.0.1, the broker is called by the name `host`.
Prints one JSON line when it is up for the first time and one at the end. Payload k begins with k in 8 digits.
"""

import gc
import json
import random
import sys
import time

from ports.linux.clock import Clock
from ports.linux.net import Net
from uplink.session import Session

plan = json.loads(sys.argv[1])
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
sent = plan.get("start", 0)
end = sent + count
hold_us = cpu_s = 0
last = clock.ticks_ms()
began = clock.ticks_ms()
give_up_ms = plan.get("give_up_ms", 120000)
while session.acked < count and clock.ticks_diff(clock.ticks_ms(), began) < give_up_ms:
    started = time.ticks_us()
    cpu_started = time.clock()
    while sent < end and session.can_publish(size):
        if pause_ms and clock.ticks_diff(clock.ticks_ms(), last) < pause_ms:
            break
        last = clock.ticks_ms()
        payload[:8] = b"%08d" % sent
        expected.append(session.publish("test/data", payload))
        sent += 1
    more = session.service()
    hold_us = max(hold_us, time.ticks_diff(time.ticks_us(), started))
    cpu_s = max(cpu_s, time.clock() - cpu_started)
    if not more:
        time.sleep_us(100 if session.unacked and session.ready else 1000)
took_ms = clock.ticks_diff(clock.ticks_ms(), began)
gc.collect()
print(json.dumps({
    "acked": session.acked, "resent": session.resent, "connects": session.connects, "failures": session.failures,
    "strays": session.strays, "hold_max_us": hold_us, "hold_cpu_us": int(cpu_s * 1e6), "took_ms": took_ms,
    "texts": texts[-40:], "problems": problems, "last_error": session.last_error, "heap_bytes": gc.mem_alloc(),
}))
