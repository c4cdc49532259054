"""The little of Modbus RTU that the line must know to tell frames apart.

The line is not a Modbus device: requests are answered by pymodbus. It only checks CRCs (with pymodbus's
routine), finds where a reply ends and what a read request asked for.

Source: Modbus Application Protocol V1.1b3, 6 and 7; Modbus over Serial Line V1.02, 2.5.1.
"""

from __future__ import annotations

from dataclasses import dataclass

from pymodbus.framer import FramerRTU

MIN_ADU_BYTES = 4
MAX_ADU_BYTES = 256
READ_CODES = (1, 2, 3, 4)
READ_REQUEST_BYTES = 8
_FIXED_REPLY_BYTES = {5: 8, 6: 8, 15: 8, 16: 8, 22: 10}


@dataclass(frozen=True)
class Request:
    """A request as the line understood it; address and count are 0 for what is not a read."""

    unit_id: int
    fc: int
    address: int
    count: int
    end_ns: int


def crc_ok(adu: bytes | bytearray) -> bool:
    """True when the last two bytes are the CRC of the others, low byte first."""
    if len(adu) < MIN_ADU_BYTES:
        return False
    return bool(FramerRTU.check_CRC(bytes(adu[:-2]), adu[-2] << 8 | adu[-1]))


def is_request(adu: bytes | bytearray) -> bool:
    """True for what a unit takes for a request: right length (reads: 8 bytes) and right CRC."""
    if not MIN_ADU_BYTES <= len(adu) <= MAX_ADU_BYTES or (adu[1] in READ_CODES and len(adu) != READ_REQUEST_BYTES):
        return False
    return crc_ok(adu)


def parse_request(adu: bytes | bytearray, end_ns: int) -> Request:
    """What a request (`is_request`) asks for."""
    fc = adu[1]
    if fc in READ_CODES:
        return Request(adu[0], fc, adu[2] << 8 | adu[3], adu[4] << 8 | adu[5], end_ns)
    return Request(adu[0], fc, 0, 0, end_ns)


def reply_bytes(start: bytes | bytearray) -> int:
    """Length of the reply that starts so, in bytes; 0 while too little of it is there to tell."""
    if len(start) < 3:
        return 0
    fc = start[1]
    if fc & 0x80:
        return 5
    return _FIXED_REPLY_BYTES.get(fc, 5 + start[2])
