"""The virtual board: MicroPython's Unix port on a Linux or macOS host."""
