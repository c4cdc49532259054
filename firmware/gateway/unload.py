"""Gives the heap of modules back that were needed for a moment: on stock images code lies in RAM."""

import sys

# What the start loads and running does not need, a space behind each; a later import loads it again.
_STARTERS = (
    "gateway.start gateway.planning gateway.planned gateway.virtual gateway.schema_store gateway.splits gateway.errors "
    "gateway.revisions gateway.config gateway.config_points gateway.rules gateway.units gateway.ot gateway.jsonscan "
    "gateway.alike "
    "gateway.silence gateway.edge_start gateway.edge_rules gateway.edge_points gateway.edge_groups gateway.edge_files "
    "edge.limits edge.expression "
    "gateway.machine_rules gateway.forms gateway.machine_start "
    "production.layout production.texts production.restore flashlog.tail "
    "modbus.planner modbus.widths modbus.pdu modbus.adu "
    "flashlog.mount flashlog.pinned flashlog.watch uplink.defaults wiring "
    "ports.rp2.names ports.rp2.xip "
)
_LAST = ("gateway.errors", "gateway.start", "wiring")  # an error's class must stay the one that wiring catches
# Only rp2 gives machine code back: the Unix port and the esp32 (its executable memory) keep it until a soft reset, so a
# module that has some is loaded once there.
_MACHINE_CODE = "gateway.jsonscan"


def unload(name):
    """Forget module `name` ("package.module"); objects made by its classes live on."""
    if sys.modules.pop(name, None) is None:
        return  # to look for it in its package would make a new name
    at = name.rfind(".")
    package = sys.modules.get(name[: max(at, 0)])
    if package and hasattr(package, name[at + 1 :]):
        delattr(package, name[at + 1 :])


def starters(going_on=False):
    """Forget what was needed to start. going_on: not what is needed until it has ended.

    Name by name, as memory may have run out: a list of them would need 0.5 KB in one piece.
    """
    begin = 0
    while begin < len(_STARTERS):
        end = _STARTERS.find(" ", begin)
        name = _STARTERS[begin:end]
        if not (going_on and name in _LAST) and (name != _MACHINE_CODE or sys.platform == "rp2"):
            unload(name)
        begin = end + 1


def forget_index():
    """What is loaded out of a bundle (firmware/bundle.py) needs its index; between loads it is given back."""
    loader = sys.modules.get("bundle")
    if loader and loader.bundle:
        loader.bundle.forget()
