"""ESP32-DevKitC with a MAX3485 module. Not verified on a bench; sources: README.md."""

PORT = "esp32"
RS485 = ({"uart": 2, "tx": 17, "rx": 16, "de": 4, "de_active": 1},)
FLASH = {"partition": "fglog", "sectors": 352, "program_bytes": 16}
NET = {"kind": "wifi"}
LED = {"pin": 2, "active": 1}
WATCHDOG_MS = 8000
