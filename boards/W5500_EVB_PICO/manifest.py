"""Freezes Fieldgate for this board into a MicroPython of your own: boards/README.md, "Freezing"."""
# ruff: noqa: F821 (the names are those of MicroPython's manifest files)

include("$(BOARD_DIR)/manifest.py")
include("../freeze.py", port="rp2", shared=("sockets", "listening", "wired"))
module("board.py", opt=3)
