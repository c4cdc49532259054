"""Freezes Fieldgate for this board into a MicroPython of your own: boards/README.md, "Freezing"."""
# ruff: noqa: F821 (the names are those of MicroPython's manifest files)

include("$(PORT_DIR)/boards/manifest.py")
include("../freeze.py", port="rp2", shared=("sockets",))
for name in ("socket.py", "usocket.py"):  # this image has none
    module(name, base_path="../../firmware/ports/nosocket", opt=3)
module("board.py", opt=3)
