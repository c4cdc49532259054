"""The broker's side of the monitor: a plain MQTT 3.1.1 consumer (paho-mqtt) that feeds a callback.

Promises: subscribes with QoS 1, so that the broker keeps what it has acknowledged to the box while this
consumer is away (given a durable session); reconnects by itself; never raises out of its thread. The callback
runs in paho's thread.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

MAX_QUEUED = 50_000


class Message:
    """One received PUBLISH: topic, payload and the UTC ms of its arrival."""

    __slots__ = ("arrival_ms", "payload", "topic")

    def __init__(self, topic: str, payload: bytes, arrival_ms: int) -> None:
        self.topic, self.payload, self.arrival_ms = topic, payload, arrival_ms


def utc_ms() -> int:
    """UTC now, in ms since 1970-01-01."""
    return time.time_ns() // 1_000_000


class Consumer:
    """Subscribes to `filters`; received messages wait in a queue until `drain`. `client_id` with a value asks
    the broker for a durable session of that name."""

    def __init__(
        self, host: str, port: int, filters: list[str], client_id: str = "", user: str = "", password: str = ""
    ) -> None:
        self._filters = filters
        self._queue: queue.Queue[Message] = queue.Queue(MAX_QUEUED)
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=not client_id)
        if user:
            self._client.username_pw_set(user, password or None)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(1, 4)
        self._subscribed = threading.Event()
        self.dropped = 0  # messages that found the queue full
        self.problem = f"connecting to {host}:{port}"
        self._address = host, port

    def start(self) -> None:
        """Connect in the background; unreachable brokers are tried again and told in `problem`."""
        self._client.connect_async(*self._address, keepalive=20)
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect and end the thread."""
        self._client.disconnect()
        self._client.loop_stop()

    def wait_subscribed(self, timeout_s: float) -> bool:
        """True once the broker has confirmed the subscription."""
        return self._subscribed.wait(timeout_s)

    @property
    def connected(self) -> bool:
        """True while the subscription stands."""
        return self._subscribed.is_set()

    def drain(self, sink: Callable[[str, bytes, int], None], limit: int = 10_000) -> int:
        """Hand what has arrived (at most `limit`) to `sink(topic, payload, arrival_ms)`; returns the count."""
        for count in range(limit):
            try:
                message = self._queue.get_nowait()
            except queue.Empty:
                return count
            sink(message.topic, message.payload, message.arrival_ms)
        return limit

    def _on_connect(
        self, client: mqtt.Client, _user: object, _flags: mqtt.ConnectFlags, reason: ReasonCode, _p: Properties | None
    ) -> None:
        if reason.is_failure:
            self.problem = f"broker refuses: {reason}"
            return
        client.subscribe([(name, 1) for name in self._filters])

    def _on_subscribe(
        self, _client: mqtt.Client, _user: object, _mid: int, reasons: list[ReasonCode], _p: Properties | None
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self.problem = f"broker refuses the subscription: {', '.join(refused)}"
            return
        self.problem = ""
        self._subscribed.set()

    def _on_disconnect(
        self,
        _client: mqtt.Client,
        _user: object,
        _flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _p: Properties | None,
    ) -> None:
        self._subscribed.clear()
        if not self.problem:
            self.problem = "connection to the broker lost"

    def _on_connect_fail(self, _client: mqtt.Client, _user: object) -> None:
        self._subscribed.clear()
        self.problem = f"no broker at {self._address[0]}:{self._address[1]}"

    def _on_message(self, _client: mqtt.Client, _user: object, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "?"
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(Message(topic, bytes(message.payload), utc_ms()))
            return
        self.dropped += 1
