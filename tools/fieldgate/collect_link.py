"""The broker's side of `fieldgate collect`: MQTT 3.1.1 with a durable session that acknowledges late.

Promises: QoS 1 with Clean Session 0; a message is acknowledged by `acknowledge`, when it stands in the database, so
the broker keeps what a killed collector had not stored and delivers it again. One thread: everything happens in
`receive`. A broker that cannot be reached or goes away is tried again for ever, with pauses of 1 to 8 s; `problem`
says in one line why there is no connection.
"""

from __future__ import annotations

import contextlib
import ssl
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from fieldgate.collect_store import Message
from fieldgate.monitor.client import utc_ms

KEEP_ALIVE_S = 30
PAUSE_S = (1.0, 8.0)
MAX_PENDING = 500  # messages of one transaction


class LinkError(ValueError):
    """The link cannot be set up as asked; the text is one line."""


class Link:
    """`filters`: what to subscribe to. `client_id` names the durable session: the same one after a restart."""

    def __init__(self, host: str, port: int, client_id: str, filters: list[str]) -> None:
        self._address = host, port
        self._filters = filters
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False,
                                   manual_ack=True)  # fmt: skip
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._pending: list[Message] = []
        self._owed: list[tuple[int, int]] = []  # (packet identifier, QoS) of this connection's messages
        self._retry_at = 0.0
        self._pause_s = PAUSE_S[0]
        self._open = False
        self._was_up = False
        self.connected = False
        self.problem = f"connecting to {host}:{port}"
        self.connects = 0
        self.forgotten = 0  # reconnects at which the broker had lost our session: messages may be missing

    def login(self, user: str, password: str) -> None:
        """User name and password for CONNECT."""
        self._client.username_pw_set(user, password or None)

    def secure(self, ca: Path, certificate: Path | None, key: Path | None) -> None:
        """TLS with this CA, and a client certificate where given (PEM files). Raises LinkError."""
        try:
            self._client.tls_set(str(ca), str(certificate) if certificate else None, str(key) if key else None)
        except (OSError, ValueError, ssl.SSLError) as error:
            raise LinkError(f"TLS files {ca}, {certificate}, {key}: {error}") from None

    def receive(self, wait_s: float) -> list[Message]:
        """What has arrived: returns after `wait_s` without anything, else when a short burst is over."""
        if not self._open:
            self._connect(wait_s)
        deadline = time.monotonic() + wait_s
        while self._open and len(self._pending) < MAX_PENDING:
            before = len(self._pending)
            result = self._client.loop(0.02 if before else max(0.0, min(0.5, deadline - time.monotonic())))
            if result != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._lose(f"connection to the broker lost ({mqtt.error_string(result).rstrip('.').lower()})")
            if len(self._pending) == before and (before or time.monotonic() >= deadline):
                break
        messages, self._pending = self._pending, []
        return messages

    def acknowledge(self) -> None:
        """All that `receive` has returned is stored: the broker may forget it."""
        for packet_id, qos in self._owed:
            self._client.ack(packet_id, qos)
        self._owed.clear()

    def publish(self, topic: str, payload: bytes) -> None:
        """At QoS 0; lost while there is no connection."""
        self._client.publish(topic, payload)

    def close(self) -> None:
        """DISCONNECT; the broker keeps the session. What was not acknowledged comes again next time."""
        with contextlib.suppress(OSError):
            self._client.disconnect()
            self._client.loop(0.1)

    def _connect(self, wait_s: float) -> None:
        pause = self._retry_at - time.monotonic()
        if pause > 0:
            time.sleep(min(pause, wait_s))
            return
        try:
            self._client.connect(*self._address, keepalive=KEEP_ALIVE_S)
            self._open = True
        except (OSError, ValueError) as error:
            text = str(getattr(error, "strerror", None) or error)
            self._lose(f"no broker at {self._address[0]}:{self._address[1]}: {text}")

    def _lose(self, text: str) -> None:
        self._open = self.connected = False
        self._owed.clear()  # those numbers meant something on the old connection only; unacknowledged comes again
        if not self.problem.startswith("broker refuses"):
            self.problem = text
        self._retry_at = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, PAUSE_S[1])

    def _on_connect(self, client: mqtt.Client, _user: Any, flags: mqtt.ConnectFlags, reason: Any, _p: Any) -> None:
        if reason.is_failure:
            self.problem = f"broker refuses: {reason}"
            return
        if self._was_up and not flags.session_present:
            self.forgotten += 1
        self._was_up = True
        self.connects += 1
        client.subscribe([(name, 1) for name in self._filters])

    def _on_subscribe(self, _client: mqtt.Client, _user: Any, _mid: int, reasons: list[Any], _p: Any) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self.problem = f"broker refuses the subscription: {refused[0]}"
            return
        self.problem = ""
        self.connected = True
        self._pause_s = PAUSE_S[0]

    def _on_disconnect(self, _client: mqtt.Client, _user: Any, _flags: Any, reason: Any, _p: Any) -> None:
        if self._open and reason.is_failure:
            self._lose(f"connection to the broker lost ({str(reason).lower()})")

    def _on_message(self, _client: mqtt.Client, _user: Any, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "?"
        self._pending.append(Message(topic, bytes(message.payload), utc_ms()))
        if message.qos:
            self._owed.append((message.mid, message.qos))
