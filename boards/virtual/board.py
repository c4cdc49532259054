"""The virtual board: an RS-485 line on a pseudo-terminal, flash in a file, the host's network."""

PORT = "linux"
RS485 = (
    {"device_env": "FIELDGATE_SERIAL"},  # path of the serial device or pseudo-terminal
)
FLASH = {"file_env": "FIELDGATE_FLASH", "file": "flash.img", "sectors": 64, "program_bytes": 16}
NET = {"kind": "host"}
LED = {"pin": None, "active": 1}
WATCHDOG_MS = 8000
