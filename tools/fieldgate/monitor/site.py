"""Several boxes on one broker: one `Store` per base topic.

A base topic is what stands before `/data`, `/status`, `/telemetry`, `/glossary` and `/meta/<schema>/<group>`.
The number of boxes is bounded; messages of others are counted.
"""

from collections.abc import Callable

from fieldgate.monitor.store import Store

MAX_BOXES = 64
SUFFIXES = ("data", "status", "telemetry", "glossary")


def base_of(topic: str) -> str | None:
    """The base topic, None when the topic is none of ours."""
    parts = topic.split("/")
    if len(parts) > 1 and parts[-1] in SUFFIXES:
        return "/".join(parts[:-1])
    if len(parts) > 3 and parts[-3] == "meta":
        return "/".join(parts[:-3])
    return None


def filters(base: str) -> list[str]:
    """What to subscribe to for one base topic; "" means every base of six parts (ISA-95)."""
    base = base or "+/+/+/+/+/+"
    return [f"{base}/{suffix}" for suffix in SUFFIXES] + [f"{base}/meta/+/+"]


class Site:
    """The stores by base topic."""

    def __init__(self, make_store: Callable[[], Store]) -> None:
        self._make_store = make_store
        self.stores: dict[str, Store] = {}
        self.ignored = 0  # messages of no box, or of a box beyond the limit

    def feed(self, topic: str, payload: bytes, arrival_ms: int) -> None:
        """Hand one message to its box's store. Never raises on bad input."""
        base = base_of(topic)
        if base is None or (base not in self.stores and len(self.stores) >= MAX_BOXES):
            self.ignored += 1
            return
        if base not in self.stores:
            self.stores[base] = self._make_store()
        self.stores[base].feed(topic, payload, arrival_ms)
