"""Raspberry Pi Pico W with a two-channel RS-485 HAT that turns its drivers by itself. Not verified on a bench.

Sources: RP2040 datasheet, table "GPIO functions" (UART0 on GP0/GP1, UART1 on GP4/GP5);
file system region of the stock image: MicroPython's rp2 port, 848 KiB at the chip's end.
The LED hangs on the Wi-Fi chip and is named "LED" in MicroPython.
"""

PORT = "rp2"
RS485 = (
    {"uart": 0, "tx": 0, "rx": 1, "de": None},
    {"uart": 1, "tx": 4, "rx": 5, "de": None},
)
FLASH = {"pinned_files": 128, "sectors": 128, "program_bytes": 256}
NET = {"kind": "wifi"}
LED = {"pin": "LED", "active": 1}
WATCHDOG_MS = 8000
