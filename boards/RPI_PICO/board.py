"""Raspberry Pi Pico, two-channel RS-485 board without driver pins. Not verified on a bench; sources: README.md."""

PORT = "rp2"
RS485 = (
    {"uart": 0, "tx": 0, "rx": 1, "de": None},
    {"uart": 1, "tx": 4, "rx": 5, "de": None},
)
FLASH = {"pinned_files": 128, "sectors": 128, "program_bytes": 256}
NET = {"kind": "none"}
LED = {"pin": "LED", "active": 1}
WATCHDOG_MS = 8000
