"""Settings of one RS-485 line and the times that follow from them.

Character times use the real number of bits of the format. t1.5 and t3.5 follow Modbus over
serial line V1.02, 2.5.1.1: 1.5 and 3.5 characters up to 19200 baud, 750 us and 1750 us above.
"""

FORMATS = ("8N1", "8E1", "8O1", "8N2")


class Line:
    """One line. All times in us, rounded up.

    baud: 300..3000000. serial_format: one of FORMATS. share_permille: the part of the time
    that polling may keep the line busy, 10..1000. Raises ValueError with a text that names
    what was found and what is allowed.
    """

    def __init__(self, name, baud, serial_format="8E1", share_permille=1000):
        if not 300 <= baud <= 3000000:
            raise ValueError("baud: found %s, allowed 300..3000000" % baud)
        if serial_format not in FORMATS:
            raise ValueError("serial_format: found %s, allowed %s" % (serial_format, ", ".join(FORMATS)))
        if not 10 <= share_permille <= 1000:
            raise ValueError("share_permille: found %s, allowed 10..1000" % share_permille)
        self.name = name
        self.baud = baud
        self.serial_format = serial_format
        self.share_permille = share_permille
        self.char_bits = 10 if serial_format == "8N1" else 11
        self.char_us = self.chars_us(1)
        self.t35_us = self._silence_us(7) if baud <= 19200 else 1750
        # A UART hands a character over in the middle of its first stop bit, so this much before it has ended
        # (PL011: ARM DDI 0183, 2.4.3; the ESP32's does the same).
        self.stop_us = self._bits_us(3 if serial_format == "8N2" else 1)
        self.silence_us = self.t35_us + self.stop_us  # from the moment at which the last byte could be read

    def chars_us(self, n):
        """Time of n characters on the wire in us. May allocate (big ints on small boards)."""
        return -(-n * self.char_bits * 1000000 // self.baud)

    def _silence_us(self, half_chars):
        return self._bits_us(half_chars * self.char_bits)

    def _bits_us(self, half_bits):
        return -(-half_bits * 500000 // self.baud)
