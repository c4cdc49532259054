"""Character and silence times of a serial line, in whole nanoseconds.

Promises exact arithmetic: the end of character k is computed from the start of the frame, never by adding
rounded character times, so that a long frame accumulates no drift.

Source: Modbus over Serial Line V1.02, 2.5.1 (11 bits per character, the formats) and 2.5.1.1 (t1.5, t3.5;
fixed at 750 us and 1750 us above 19200 baud).
"""

from __future__ import annotations

from dataclasses import dataclass

NS_PER_S = 1_000_000_000
BAUDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400)
FORMATS = ("8N1", "8N2", "8E1", "8O1", "8E2", "8O2")
_FIXED_SILENCE_ABOVE_BAUD = 19200
_T1_5_FIXED_NS = 750_000
_T3_5_FIXED_NS = 1_750_000


@dataclass(frozen=True)
class SerialTiming:
    """Times of one line. `baud` is one of BAUDS, `serial_format` one of FORMATS; ValueError otherwise."""

    baud: int = 19200
    serial_format: str = "8E1"

    def __post_init__(self) -> None:
        if self.baud not in BAUDS:
            raise ValueError(f"baud: found {self.baud}, allowed {', '.join(map(str, BAUDS))}")
        if self.serial_format not in FORMATS:
            raise ValueError(f"serial format: found {self.serial_format}, allowed {', '.join(FORMATS)}")

    @property
    def parity(self) -> str:
        """Parity letter: N, E or O."""
        return self.serial_format[1]

    @property
    def stop_bits(self) -> int:
        """Stop bits: 1 or 2."""
        return int(self.serial_format[2])

    @property
    def bits_per_char(self) -> int:
        """Bits of one character on the wire: start, 8 data, parity if any, stop."""
        return 1 + 8 + (self.parity != "N") + self.stop_bits

    def chars_ns(self, count: int) -> int:
        """Duration of `count` characters sent without a gap, in ns, rounded up."""
        return -(-count * self.bits_per_char * NS_PER_S // self.baud)

    @property
    def t1_5_ns(self) -> int:
        """Longest silence inside a frame, in ns."""
        if self.baud > _FIXED_SILENCE_ABOVE_BAUD:
            return _T1_5_FIXED_NS
        return self.chars_ns(3) // 2

    @property
    def t3_5_ns(self) -> int:
        """Shortest silence between frames, in ns."""
        if self.baud > _FIXED_SILENCE_ABOVE_BAUD:
            return _T3_5_FIXED_NS
        return self.chars_ns(7) // 2
