"""Raspberry Pi Pico W, two-channel RS-485 board without driver pins. Not verified on a bench; sources: README.md."""

PORT = "rp2"
RS485 = (
    {"uart": 0, "tx": 0, "rx": 1, "de": None},
    {"uart": 1, "tx": 4, "rx": 5, "de": None},
)
FLASH = {"pinned_files": 32, "sectors": 32, "program_bytes": 256}
NET = {"kind": "wifi"}
LED = {"pin": "LED", "active": 1}  # hangs on the Wi-Fi chip
WATCHDOG_MS = 8000
