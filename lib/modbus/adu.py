"""RTU frames (ADU): unit id, PDU, CRC; at most 256 bytes (Modbus over serial line V1.02, 2.5.1)."""

from modbus.crc import seal

MAX_ADU_BYTES = 256


def build(unit_id, pdu):
    """A sealed request frame (bytearray) from a unit id (1..247) and a PDU."""
    frame = bytearray(len(pdu) + 3)
    frame[0] = unit_id
    frame[1 : len(pdu) + 1] = pdu
    seal(frame)
    return frame


def retarget(frame, address, count):
    """A sealed copy of a read request (FC 1 to 4) for another address and count."""
    frame = bytearray(frame)
    frame[2] = address >> 8
    frame[3] = address & 0xFF
    frame[4] = count >> 8
    frame[5] = count & 0xFF
    seal(frame)
    return frame


def data_bytes(function, count):
    """Bytes of data in a good reply to a read of `count` coils (FC 1, 2) or registers (FC 3, 4)."""
    return (count + 7) // 8 if function <= 2 else 2 * count


def reply_bytes(function, count):
    """Length of the good reply: unit, function, byte count, data, CRC."""
    return 5 + data_bytes(function, count)
