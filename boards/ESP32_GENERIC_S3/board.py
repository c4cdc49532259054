"""ESP32-S3-DevKitC-1 with a MAX3485 module. Not verified on a bench; sources: README.md."""

PORT = "esp32"
RS485 = ({"uart": 1, "tx": 17, "rx": 18, "de": 8, "de_active": 1},)
FLASH = {"partition": "fglog", "sectors": 352, "program_bytes": 16}
NET = {"kind": "wifi"}
LED = {"pin": None, "active": 1}  # the DevKit has only an addressable LED
WATCHDOG_MS = 8000
