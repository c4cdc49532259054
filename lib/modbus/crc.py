"""CRC-16/MODBUS and the choice between machine code and plain Python.

Polynomial 0xA001 (reflected 0x8005), start 0xFFFF, sent low byte first (Modbus over serial
line V1.02, 6.2.2). Over a whole frame including its CRC the result is 0.
"""

from array import array

try:
    from modbus.native import crc16, gate_of, move, turn
except (AttributeError, ImportError, NameError, SyntaxError, ValueError):
    # CPython has no such module or no viper in it; some ports cannot emit or load machine code
    from modbus.plain import crc16, gate_of, move, turn


def _table():
    table = array("H", range(256))
    for i in range(256):
        crc = i
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
        table[i] = crc
    return table


TABLE = _table()


def seal(frame):
    """Write the CRC of a frame into its last two bytes, low byte first."""
    n = len(frame) - 2
    crc = crc16(frame, 0, n, TABLE)
    frame[n] = crc & 0xFF
    frame[n + 1] = crc >> 8


def sound(buf, start, n):
    """True if buf[start:start + n] is a frame with a right CRC."""
    return n >= 4 and crc16(buf, start, n, TABLE) == 0


__all__ = ("TABLE", "crc16", "gate_of", "move", "seal", "sound", "turn")
