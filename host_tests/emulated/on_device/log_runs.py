"""Runs on the emulated Pico: the flash log over rp2.Flash, with its progress where a power cut cannot hide it.

What was done goes to scratch registers of the watchdog, which the host reads at the moment of the cut: printing takes
too long to be true by then. Append number k (1, 2, ...) holds 8 records of 32 bytes that follow from k.
"""

import gc
import struct
import time

import rp2
from machine import mem32

from flashlog.log import FlashLog
from ports.rp2.flash import Flash

RECORDS = 8
RECORD_BYTES = 32
ACK_EVERY = 7
# RP2040 datasheet 4.7.6: WATCHDOG SCRATCH0 and so on; SCRATCH4 is left to the boot ROM.
APPENDED = 0x4005800C  # number of the last append that returned
ACKED = 0x40058010  # the same of acknowledgements
ACKING = 0x40058014  # acknowledgement that was begun
FIRST = 0x40058018  # what was found unread after the start
LAST = 0x40058020
CHECKED = 0x40058024  # 1 + wrong payloads


PATTERN = bytes((i * i + 7 * i) & 0xFF for i in range(RECORDS * RECORD_BYTES + 64))


def fill(payload, k):
    """The payload of append k."""
    payload[:] = PATTERN[k & 63 : (k & 63) + len(payload)]
    for at in range(0, len(payload), RECORD_BYTES):
        struct.pack_into("<I", payload, at, k)


def open_log(device, first, end):
    """The mounted log on blocks first..end-1 of the storage."""
    log = FlashLog(Flash(device, range(first, end)), b"emul")
    log.mount()
    log.begin_boot()
    return log


def check(log, payload):
    """Read all that is unread; (number of the first append or 0, number of the last, wrong payloads)."""
    first = last = wrong = 0
    while True:
        found = log.read()
        if found is None:
            return first, last, wrong
        k = struct.unpack_from("<I", found, 0)[0]
        fill(payload, k)
        if found != payload or log.frame_records != RECORDS or (last and k != last + 1):
            wrong += 1
        first = first or k
        last = k


def work(first, end, appended):
    """Mount, tell what is there, then append until the power goes; ack and idle between."""
    payload = bytearray(RECORDS * RECORD_BYTES)
    log = open_log(rp2.Flash(), first, end)
    oldest, last, wrong = check(log, payload)
    k = max(last, appended)
    mem32[FIRST] = oldest
    mem32[LAST] = last
    mem32[APPENDED] = k
    mem32[CHECKED] = 1 + wrong
    while True:
        k += 1
        fill(payload, k)
        log.append(payload, RECORDS)
        mem32[APPENDED] = k
        log.idle()
        if k % ACK_EVERY == 0:
            check(log, payload)
            mem32[ACKING] = k
            log.ack(log.position())
            mem32[ACKED] = k


class Meter:
    """rp2.Flash with a count of the time that programs and erases take."""

    def __init__(self):
        self.device = rp2.Flash()
        self.readblocks = self.device.readblocks
        self.us = 0
        self.calls = 0

    def writeblocks(self, block, buf, offset):
        start = time.ticks_us()
        self.device.writeblocks(block, buf, offset)
        self.us += time.ticks_diff(time.ticks_us(), start)
        self.calls += 1

    def ioctl(self, op, arg):
        start = time.ticks_us()
        result = self.device.ioctl(op, arg)
        self.us += time.ticks_diff(time.ticks_us(), start)
        self.calls += 1
        return result

    def own_us(self):
        """What one call costs beside what it counts."""
        self.us = 0
        start = time.ticks_us()
        for _ in range(64):
            self.ioctl(4, 0)  # block count
        return (time.ticks_diff(time.ticks_us(), start) - self.us) // 64


def timing(first, end, appends):
    """Appends with idle() between. Prints for each: us in all (without the meter), us of it in the chip."""
    payload = bytearray(RECORDS * RECORD_BYTES)
    meter = Meter()
    own_us = meter.own_us()
    log = open_log(meter, first, end)
    for k in range(1, appends + 1):
        fill(payload, k)
        gc.collect()
        meter.us = meter.calls = 0
        start = time.ticks_us()
        log.append(payload, RECORDS)
        taken_us = time.ticks_diff(time.ticks_us(), start)
        print(taken_us - meter.calls * own_us, meter.us)
        log.idle()
    print(log.stats.starved, log.stats.erases)
