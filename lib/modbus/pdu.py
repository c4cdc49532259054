"""Request PDUs, built by micropython-modbus at configuration load and not later.

Its functions take 12.9 KB of heap with their imports, so `release()` gives them back once
every frame is built.
"""

import sys


def build(function, address, count):
    """The PDU (bytes) of a read request; function 1..4, address 0..65535, count as the standard allows.

    Raises ValueError when the count is not allowed (Modbus Application Protocol V1.1b3, 6.1 to 6.4).
    """
    from umodbus import functions

    if not 0 <= address <= 65535 - (count - 1):
        raise ValueError("address %d with count %d is beyond 65535" % (address, count))
    if function == 1:
        return functions.read_coils(address, count)
    if function == 2:
        return functions.read_discrete_inputs(address, count)
    if function == 3:
        return functions.read_holding_registers(address, count)
    if function == 4:
        return functions.read_input_registers(address, count)
    raise ValueError("function code %d is not a read" % function)


def release():
    """Drop micropython-modbus from memory; `build` would load it again."""
    for name in list(sys.modules):
        if name == "umodbus" or name.startswith("umodbus."):
            del sys.modules[name]
