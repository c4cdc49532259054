"""What `fieldgate collect` subscribes to, and whose a message is: boxes below their ISA-95 base, Sparkplug nodes."""

from __future__ import annotations

from fieldgate.monitor import site

SPARKPLUG = "spBv1.0"
BASE_PARTS = 6  # enterprise/site/area/line/cell/asset
HEADS = ("data", "status", "telemetry", "glossary", "meta", "latest", "assets")
_BELOW = (
    "data", "status", "telemetry", "telemetry/+", "glossary", "glossary/+", "meta/+/+", "latest/+/+", "assets/+/+"
)  # fmt: skip


def filters(base: str) -> list[str]:
    """Everything that the box with this base topic publishes; "" means every box and every Sparkplug node. The base of
    a Sparkplug node is spBv1.0/<group>/<node>."""
    parts = base.split("/")
    if parts[0] == SPARKPLUG:
        group, node = (parts[1:] + ["+", "+"])[:2]
        return [f"{SPARKPLUG}/{group}/+/{node}", f"{SPARKPLUG}/{group}/+/{node}/+"]
    below = [f"{base or '/'.join(['+'] * BASE_PARTS)}/{each}" for each in _BELOW]
    return below if base else [*below, f"{SPARKPLUG}/+/+/+", f"{SPARKPLUG}/+/+/+/+"]


def base_of(topic: str) -> str | None:
    """The base topic of a box's message, None when it is none of ours."""
    parts = topic.split("/")
    if len(parts) > BASE_PARTS and parts[BASE_PARTS] in HEADS:
        return "/".join(parts[:BASE_PARTS])
    return site.base_of(topic)


def node_of(topic: str) -> tuple[str, str, str] | None:
    """(base of the node, kind, device or "") of a Sparkplug message, None for all else."""
    parts = topic.split("/")
    if parts[0] != SPARKPLUG or len(parts) not in (4, 5):
        return None
    return f"{SPARKPLUG}/{parts[1]}/{parts[3]}", parts[2], parts[4] if len(parts) == 5 else ""
