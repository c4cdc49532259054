"""A session that keeps what it is given: stands for uplink.session.Session where the network is not the point.

`window`: messages that may wait for their acknowledgement. `deliver()` acknowledges in order, as a broker does.
"""


class Paperboy:
    """`sent` holds (token, topic, payload bytes, retained) of every message, acknowledged or not."""

    def __init__(self, window=16):
        self.ready = True
        self.known = False  # as a broker that has never seen us
        self.window = window
        self.sent = []
        self.on_ack = None
        self._token = 0
        self._acked = 0

    def can_publish(self, nbytes):
        return self.ready and len(self.sent) - self._acked < self.window

    def publish(self, topic, payload, retain=False):
        assert self.can_publish(len(payload)), "the publisher did not ask"
        self._token += 1
        data = payload.encode() if isinstance(payload, str) else bytes(payload)
        self.sent.append((self._token, topic, data, retain))
        return self._token

    def deliver(self, count=1000000):
        """Acknowledge the oldest `count` messages."""
        while count and self._acked < len(self.sent):
            self._acked += 1
            count -= 1
            self.on_ack(self.sent[self._acked - 1][0])

    def batches(self):
        """Payloads of the batches, in order."""
        return [payload for _, topic, payload, _ in self.sent if topic.endswith("/data")]

    def topics(self):
        """Topics in order of publishing."""
        return [topic for _, topic, _, _ in self.sent]
