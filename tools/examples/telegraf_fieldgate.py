"""Hands the batches of Fieldgate boxes to Telegraf as line protocol: the program of [[inputs.execd]] in telegraf.conf.

    python3 telegraf_fieldgate.py HOST:PORT [CLIENT_ID]      (needs: pip install cbor2 paho-mqtt)

Telegraf's own CBOR parser (xpath_cbor) has no way into typed arrays or columns, so decode_batch.py and decode_typed.py,
which must lie beside this file, do that. The MQTT session is durable: what was not taken while this program was away
comes when it is back. One line per sample: fieldgate,base=...,unit=... quality=0i,point=value time. Samples of a box
that does not know UTC yet are counted on stderr and left out: line protocol has no form for them.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from typing import Any

import decode_batch  # type: ignore[import-not-found]
import decode_typed  # type: ignore[import-not-found]
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

WAITING = 1000  # batches that wait for their meta
BASE = "+/+/+/+/+/+"


def escaped(text: str) -> str:
    """A tag or field key (line protocol: comma, equals sign and space are escaped)."""
    return text.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


def field(value: Any, point: dict[str, Any], values: dict[str, Any]) -> str | None:
    """A value in line protocol, scaled; None for what is not available. values: all of the sample."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if point["scale"] != 1 or point["offset"] != 0 or "scale_from" in point:
        exact = Decimal(repr(value)) * Decimal(repr(point["scale"]))
        if "scale_from" in point:
            by = values.get(point["scale_from"])
            if by is None or (by <= 0 if point["scale_as"] == "divisor" else not -10 <= by <= 10):
                return None
            if point["scale_as"] == "divisor":
                exact /= by
            else:
                exact = exact.scaleb(by if point["scale_as"] == "exponent" else -by)
        value = float(exact + Decimal(repr(point["offset"])))
    return f"{value}{'i' if value < 1 << 63 else 'u'}" if isinstance(value, int) else repr(value)


class Lines:
    """Makes lines out of messages, in whatever order meta and data arrive."""

    def __init__(self) -> None:
        self.metas: dict[tuple[str, int], dict[str, Any]] = {}
        self.waiting: list[tuple[str, bytes]] = []
        self.untimed = 0

    def take(self, topic: str, payload: bytes) -> list[str]:
        """The lines that this message makes possible. Raises ValueError or KeyError for what is no meta."""
        parts = topic.split("/")
        if len(parts) > 3 and parts[-3] == "meta":
            meta = json.loads(payload)
            self.metas[meta["schema"], meta["group"]] = meta
        else:
            self.waiting = [*self.waiting, ("/".join(parts[:-1]), payload)][-WAITING:]
        lines: list[str] = []
        waiting, self.waiting = self.waiting, []
        for base, data in waiting:
            try:
                lines += self._lines(base, data)
            except KeyError:
                self.waiting.append((base, data))  # its meta is not here yet
            except Exception as error:  # one bad message must not end the collection
                print(f"{base}/data: not understood: {error!r}", file=sys.stderr)
        return lines

    def _lines(self, base: str, payload: bytes) -> list[str]:
        decode = decode_batch.samples if payload[1:2] == b"\0" else decode_typed.samples  # first key: 0 or "format"
        points = {(meta["unit"], p["name"]): p for meta in self.metas.values() for p in meta["points"]}
        lines = []
        for sample in list(decode(payload, self.metas)):
            if sample["utc_ms"] is None:
                self.untimed += 1
                continue
            fields = [f"quality={sample['quality']}i"]
            for name, value in sample["values"].items():
                text = field(value, points[sample["unit"], name], sample["values"])
                if text is not None:
                    fields.append(f"{escaped(name)}={text}")
            tags = f"base={escaped(base)},unit={escaped(sample['unit'])}"
            lines.append(f"fieldgate,{tags} {','.join(fields)} {sample['utc_ms']}000000")
        return lines


def main(address: str, client_id: str) -> None:
    host, _, port = address.rpartition(":")
    lines = Lines()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False, manual_ack=True)

    def on_connect(*_: Any) -> None:
        client.subscribe([(f"{BASE}/data", 1), (f"{BASE}/meta/+/+", 1)])

    def on_message(_client: Any, _user: Any, message: mqtt.MQTTMessage) -> None:
        before = lines.untimed
        try:
            for line in lines.take(message.topic, bytes(message.payload)):
                print(line)
            sys.stdout.flush()
        except (ValueError, KeyError, TypeError) as error:
            print(f"{message.topic}: not understood: {error!r}", file=sys.stderr)
        if lines.untimed > before:
            print(f"{message.topic}: {lines.untimed} samples without UTC left out so far", file=sys.stderr)
        client.ack(message.mid, message.qos)

    client.on_connect = on_connect
    client.on_message = on_message
    client.connect(host, int(port))
    client.loop_forever(retry_first_connection=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "telegraf-fieldgate")
    except KeyboardInterrupt:
        pass
    except (OSError, ValueError, IndexError) as error:
        sys.exit(f"telegraf_fieldgate: {error} (usage: telegraf_fieldgate.py HOST:PORT [CLIENT_ID])")
