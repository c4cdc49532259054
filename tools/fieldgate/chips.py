"""What the chips of Fieldgate's boards have: pins, UARTs, flash, machine code, marks of their images. Data only.

Sources: RP2040: MicroPython ports/rp2/machine_uart.c (IS_VALID_TX, IS_VALID_RX); RP2350: the same file and the RP2350
datasheet 9.4 (QFN-60: GPIO 0..29); ESP32 and ESP32-S3: MicroPython ports/esp32/machine_pin.h, Espressif's ESP-IDF
programming guide, page "GPIO & RTC GPIO" (strapping pins, pins of the flash, input-only pins), chip ids as in esptool.
UF2 family ids: the UF2 format's list of families.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


def rp2040_uart_pin(uart: int, pin: int, transmits: bool) -> bool:
    return pin & 3 == (0 if transmits else 1) and (pin + 4 & 8) >> 3 == uart


def rp2350_uart_pin(uart: int, pin: int, transmits: bool) -> bool:
    return pin & 1 == (0 if transmits else 1) and (pin + 4 & 8) >> 3 == uart


def any_uart_pin(uart: int, pin: int, transmits: bool) -> bool:
    """The GPIO matrix of an ESP32 takes any pin to any UART."""
    return True


@dataclass(frozen=True)
class Chip:
    """One chip. `reserved`: pins that exist but are not for a board to use, with the reason. `console_uart`: the UART
    that MicroPython's console uses. `program`: unit of a flash program in bytes. `watchdog_ms`: longest time-out."""

    name: str
    port: str
    architecture: str
    pins: frozenset[int]
    uarts: tuple[int, ...]
    uart_pin: Callable[[int, int, bool], bool]
    program: int
    watchdog_ms: int
    console_uart: int | None = None
    input_only: frozenset[int] = frozenset()
    reserved: dict[int, str] = field(default_factory=dict)
    strapping: dict[int, str] = field(default_factory=dict)
    uf2_family: int | None = None
    image_id: int | None = None
    bootloader_at: int = 0


def span(first: int, last: int) -> frozenset[int]:
    return frozenset(range(first, last + 1))


def because(reason: str, pins: frozenset[int]) -> dict[int, str]:
    return dict.fromkeys(sorted(pins), reason)


CHIPS = {
    chip.name: chip
    for chip in (
        Chip("rp2040", "rp2", "armv6m", span(0, 29), (0, 1), rp2040_uart_pin, 256, 8388, uf2_family=0xE48BFF56),
        # armv7m and not armv7emsp: nothing here uses the floating-point unit, and both kinds of image take it.
        Chip("rp2350", "rp2", "armv7m", span(0, 29), (0, 1), rp2350_uart_pin, 256, 16777, uf2_family=0xE48BFF59),
        Chip(
            "esp32",
            "esp32",
            "xtensawin",
            span(0, 23) | span(25, 27) | span(32, 39),
            (0, 1, 2),
            any_uart_pin,
            16,
            60000,
            console_uart=0,
            input_only=span(34, 39),
            reserved=because("the flash chip", span(6, 11)) | {1: "the console's TX", 3: "the console's RX"},
            strapping={
                0: "selects download when low at reset",
                2: "must be low or open for download",
                5: "timing of the SDIO slave",
                12: "selects the flash voltage: must be low at reset",
                15: "silences the boot messages when low",
            },
            image_id=0,
            bootloader_at=0x1000,
        ),
        Chip(
            "esp32s3",
            "esp32",
            "xtensawin",
            span(0, 21) | span(26, 48),
            (0, 1, 2),
            any_uart_pin,
            16,
            60000,
            console_uart=0,
            reserved=because("flash or PSRAM", span(26, 32))
            | because("octal PSRAM of some modules", span(33, 37))
            | {19: "USB D-", 20: "USB D+", 43: "the console's TX", 44: "the console's RX"},
            strapping={
                0: "selects download when low at reset",
                3: "source of JTAG",
                45: "selects the flash voltage",
                46: "must be low for download",
            },
            image_id=9,
        ),
    )
}

# Pins that the ESP32's Ethernet MAC takes for RMII and that nobody can move: ESP32 technical reference, "EMAC".
RMII_PINS = because("Ethernet (RMII)", frozenset((19, 21, 22, 25, 26, 27)))
