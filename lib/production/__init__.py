"""What a machine's signals mean over time: state, shifts, OEE, MTTR, and whose fault it is. DESIGN.md says how.

Not called `machine`: on the boards that is the hardware module of MicroPython."""
