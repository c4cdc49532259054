"""Modbus RTU client: plan, timing, transactions, unit health, evidence.

Start with `modbus.bus.Bus`; DESIGN.md beside this file says how the parts work together.
Imports no hardware module: port, clock and random numbers are handed in.
"""
