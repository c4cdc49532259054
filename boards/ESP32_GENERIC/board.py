"""ESP32-DevKitC with a MAX485 module. Not verified on a bench.

Sources: MicroPython's esp32 port maps UART 2 to TX 17 and RX 16 by default (machine_uart.c);
GPIO 4 and GPIO 2 are free of strapping that matters for an output (ESP32 datasheet, table
"Strapping pins": GPIO 2 must be low or floating for download, which the DevKit's LED allows).
"""

PORT = "esp32"
RS485 = (
    {"uart": 2, "tx": 17, "rx": 16, "de": 4, "de_active": 1},
)
FLASH = {"partition": "fglog", "sectors": 352, "program_bytes": 16}
NET = {"kind": "wifi"}
LED = {"pin": 2, "active": 1}
WATCHDOG_MS = 8000
