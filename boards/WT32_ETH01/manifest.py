"""Freezes Fieldgate for this board into a MicroPython of your own: boards/README.md, "Freezing"."""
# ruff: noqa: F821 (the names are those of MicroPython's manifest files)

include("$(PORT_DIR)/boards/manifest.py")
include("../freeze.py", port="esp32", shared=("sockets", "listening", "wifi", "wifi_scan", "wired"))
module("board.py", opt=3)
