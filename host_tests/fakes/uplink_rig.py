"""A session, its brokers in memory and its virtual clock, for the tests of the session.

Promises: nothing happens unless `run` lets time pass; `problems` judges what the broker got and what was told.
"""

from clock import Clock
from scripted_broker import Broker, Net
from uplink.session import Session

A = ("10.0.0.1", 1883)
B = ("10.0.0.2", 1884)


class Rig:
    """A session, its brokers and its clock; `run` lets virtual time pass in steps of 10 ms."""

    def __init__(self, brokers=(A,), make=Session, **settings):
        self.clock = Clock()
        self.brokers = {address: Broker() for address in brokers}
        self.broker = self.brokers[brokers[0]]
        self.net = Net(self.brokers)
        self.random = 512
        settings["client_id"] = "fg-0001"
        settings["brokers"] = list(brokers)
        self.session = make(self.net, self.clock, lambda bits: self.random, settings)
        self.states = []
        self.acks = []
        self.session.on_state = lambda up, text: self.states.append((up, text))
        self.session.on_ack = self.acks.append
        self.tokens = []
        self.next = 0

    def run(self, ms, publish=0):
        """Let time pass; publish up to `publish` numbered messages as soon as they can be taken."""
        for _ in range(ms // 10):
            self.clock.advance_ms(10)
            while publish and self.session.can_publish(8):
                self.publish()
                publish -= 1
            for _ in range(20):
                if not self.session.service():
                    break
        return publish

    def publish(self, size=8):
        payload = b"%08d" % self.next
        self.next += 1
        self.tokens.append(self.session.publish("a/b/data", payload + bytes(size - 8)))

    def up(self):
        """Run until the session stands; no fault may be active."""
        for _ in range(4000):
            if self.session.ready:
                return self
            self.run(10)
        raise AssertionError(self.session.last_error)

    def drain(self, ms=200000):
        """Run until everything is acknowledged."""
        for _ in range(ms // 10):
            if not self.session.unacked and self.session.ready:
                return
            self.run(10)
        raise AssertionError("not drained: " + self.session.last_error)

    def problems(self):
        """What is wrong with what the broker got and what the application was told; empty if nothing."""
        found = []
        first = []
        for message in self.broker.received:
            if message[4] not in first[-40:]:
                first.append(message[4])
        expected = [b"%08d" % i for i in range(self.next)]
        if [payload[:8] for payload in first] != expected:
            found.append("lost or reordered: %d of %d" % (len(first), self.next))
        if self.acks != self.tokens:
            found.append("acknowledgements not told in order")
        return found
