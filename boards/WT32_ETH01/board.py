"""Wireless-Tag WT32-ETH01 with a MAX3485 module. Not verified on a bench; sources: README.md."""

PORT = "esp32"
RS485 = ({"uart": 2, "tx": 17, "rx": 5, "de": 33, "de_active": 1},)
FLASH = {"partition": "fglog", "sectors": 352, "program_bytes": 16}
NET = {"kind": "lan", "phy": "PHY_LAN8720", "phy_addr": 1, "mdc": 23, "mdio": 18, "power": 16}
LED = {"pin": None, "active": 1}  # the board has none of its own to drive
WATCHDOG_MS = 8000
