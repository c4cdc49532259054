"""Requests that a search sends: a plain one and the dual-parity one.

The dual-parity request is a read whose eight bytes all have the same parity. Sent as 8N2, its
second stop bit is, for a receiver with parity, the right parity bit (mark): all bytes odd fit
8E1, all bytes even fit 8O1. Receivers set to 8N1 and 8N2 take it as well. So one request
asks three formats; which parity is the third follows from the unit id. The first byte of a reply
is the unit id again, so its parity bit is mark, too, and an 8N2 receiver gets at least that byte.

Every unit id 1..247 has such a request with counts that the standard allows; no writes.
"""

from modbus.adu import build
from modbus.codes import const

_TRIES = const(16)  # low bytes of the address; no unit id needs more than 5


def odd(byte):
    """1 if the byte has an odd number of ones."""
    byte ^= byte >> 4
    byte ^= byte >> 2
    return (byte ^ byte >> 1) & 1


def plain(unit_id):
    """Read one holding register at address 0: served or refused by nearly every unit."""
    return build(unit_id, b"\x03\x00\x00\x00\x01")


def parity_format(unit_id):
    """The format with parity that `dual(unit_id)` reaches; 8N1 and 8N2 it reaches always."""
    return "8E1" if odd(unit_id) else "8O1"


def other_format(unit_id):
    """The format with parity that `dual(unit_id)` does not reach."""
    return "8O1" if odd(unit_id) else "8E1"


def dual(unit_id):
    """The dual-parity request to a unit, to be sent as 8N2.

    Odd ids: FC 1, 257 coils, from 0x01xx. Even ids: FC 3, 3 registers, from 0x00xx.
    """
    parity = odd(unit_id)
    pdu = bytearray(b"\x01\x01\x00\x01\x01" if parity else b"\x03\x00\x00\x00\x03")
    for low in range(_TRIES):
        if odd(low) == parity:
            pdu[2] = low
            frame = build(unit_id, pdu)
            if odd(frame[6]) == parity and odd(frame[7]) == parity:
                return frame
    raise AssertionError("no dual-parity request")
