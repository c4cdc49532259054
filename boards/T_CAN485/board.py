"""LilyGO T-CAN485: ESP32 with a transceiver that turns by itself. Not verified on a bench; sources: README.md.

`high` are outputs that must be high for the line to work: 16 the 5 V supply of the transceivers, 17 the transceiver's
/RE, which selects its automatic direction, 19 its /SHDN.
"""

PORT = "esp32"
RS485 = ({"uart": 2, "tx": 22, "rx": 21, "de": None, "high": (16, 17, 19)},)
FLASH = {"partition": "fglog", "sectors": 352, "program_bytes": 16}
NET = {"kind": "wifi"}
LED = {"pin": None, "active": 1}  # the board has only an addressable LED
WATCHDOG_MS = 8000
