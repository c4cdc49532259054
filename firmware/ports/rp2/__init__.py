"""Raspberry Pi Pico, Pico W and other boards of MicroPython's rp2 port."""
