"""The four devices on the line as pymodbus serves them: register maps filled from the machine.

Promises: a request sees all quantities of one machine step; an address that the map does not have is answered
with exception 2, a function code that the device does not have with exception 1 (inside the addresses that
exist) or 2. Addresses are PDU addresses, 0-based.

Sources of the register maps (documented by others; nothing here was captured from a device):
- Eastron SDM120: volkszaehler/mbmd meters/rs485/sdm120.go; esphome sdm_meter_registers.h; evcc eastron-sdm120.yaml.
- XY-MD02: ya-modbus driver-xymd1; wirenboard xy-md0x template; vendor listing (0x0131 = 30.5 degC).
- Delta MS300: vendor manual, status monitor 0x2103..0x2106 (output frequency, current, DC bus, output voltage).
- PLC: this project's own map, as small PLC programs look: CDAB counters, contacts, one coil; and behind 0x0010 a value
  of each type that meters and drives have beside those.
Turnaround times are assumptions of this project.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from pymodbus.constants import ExcCodes
from pymodbus.simulator import DataType, SimData, SimDevice

from fieldgate.plant.machine import Machine, State

METER, CLIMATE, DRIVE, PLC = 1, 2, 3, 4
TURNAROUND_MS: dict[int, float] = {METER: 12.0, CLIMATE: 8.0, DRIVE: 6.0, PLC: 4.0}
COILS, CONTACTS, HOLDING, INPUT = 1, 2, 3, 4  # by the function code that reads them

Registers = dict[int, int]
Fill = Callable[[Machine], Registers]


@dataclass(frozen=True)
class Unit:
    """One device. spans: first address and count of the registers (or 16-bit groups of bits) per read code.

    fill: the current content per read code: register words by address, or 16 bits by group number.
    """

    unit_id: int
    model: str
    spans: dict[int, tuple[tuple[int, int], ...]]
    fill: dict[int, Fill]


def float32_abcd(address: int, value: float) -> Registers:
    """IEEE 754 single, most significant word first."""
    high, low = struct.unpack(">HH", struct.pack(">f", value))
    return {address: high, address + 1: low}


def uint32_cdab(address: int, value: int) -> Registers:
    """Unsigned 32 bits, least significant word first."""
    return {address: value & 0xFFFF, address + 1: value >> 16 & 0xFFFF}


def registers_of(address: int, data: bytes) -> Registers:
    """Registers with these bytes, as they are on the wire."""
    return {address + i // 2: data[i] << 8 | data[i + 1] for i in range(0, len(data), 2)}


def scaled(value: float, step: float) -> int:
    """A register that counts in `step`; negative values as two's complement."""
    return round(value / step) & 0xFFFF


def _meter(machine: Machine) -> Registers:
    """Float per two registers; what the meter does not measure reads as 0."""
    values = {
        0x0000: machine.mains_v,
        0x0006: machine.current_a,
        0x000C: machine.power_w,
        0x0012: machine.apparent_va,
        0x0018: machine.reactive_var,
        0x001E: machine.power_factor,
        0x0046: machine.mains_hz,
        0x0048: machine.energy_kwh,
        0x004A: 0.0,
        0x0156: machine.energy_kwh,
    }
    registers: Registers = {}
    for address, value in values.items():
        registers.update(float32_abcd(address, value))
    return registers


def _climate(machine: Machine) -> Registers:
    return {0x0001: scaled(machine.temperature_c, 0.1), 0x0002: scaled(machine.humidity_percent, 0.1)}


def _drive(machine: Machine) -> Registers:
    return {
        0x2103: scaled(machine.output_hz, 0.01),
        0x2104: scaled(machine.drive_current_a, 0.01),
        0x2105: scaled(machine.dc_bus_v, 0.1),
        0x2106: scaled(machine.output_v, 0.1),
    }


def _plc_counters(machine: Machine) -> Registers:
    return {
        **uint32_cdab(0x0000, machine.cycles),
        **uint32_cdab(0x0002, machine.good),
        0x0004: machine.rejects & 0xFFFF,
        # 0x0010: energy in mWh, uint64, least significant word first
        **registers_of(0x0010, struct.pack(">4H", *struct.unpack("<4H", struct.pack("<Q", energy_mwh(machine))))),
        0x0014: list(State).index(machine.state),
        0x0015: machine.running << 0 | machine.fault << 1 | list(State).index(machine.state) << 8,
        0x0016: 0x8000,  # an analog input that is not connected
        0x0017: scaled(machine.output_hz, 0.01),
        0x0018: scaled(-2, 1),  # that scales it: 10^-2
        **registers_of(0x0019, bytes.fromhex(f"{machine.cycles % 10**8:08d}")),  # eight decimal digits
        **registers_of(0x001B, struct.pack(">d", machine.mains_hz)),
        **registers_of(0x001F, b"PM-1500\0"),
    }


def energy_mwh(machine: Machine) -> int:
    """The machine's energy as a whole number."""
    return round(machine.energy_kwh * 1e6)


def _plc_contacts(machine: Machine) -> Registers:
    return {0: machine.running << 0 | machine.fault << 1}


def _plc_coils(machine: Machine) -> Registers:
    return {0: int(machine.output_hz > 0)}  # contactor of the drive


UNITS = (
    Unit(METER, "Eastron SDM120", {INPUT: ((0x0000, 0x4C), (0x0156, 2))}, {INPUT: _meter}),
    Unit(CLIMATE, "XY-MD02", {INPUT: ((0x0001, 2),)}, {INPUT: _climate}),
    Unit(DRIVE, "Delta MS300", {HOLDING: ((0x2103, 4),)}, {HOLDING: _drive}),
    Unit(
        PLC,
        "PLC",
        {HOLDING: ((0x0000, 5), (0x0010, 19)), CONTACTS: ((0, 1),), COILS: ((0, 1),)},
        {HOLDING: _plc_counters, CONTACTS: _plc_contacts, COILS: _plc_coils},
    ),
)


def sim_devices(current: Callable[[], Machine]) -> list[SimDevice]:
    """The units for a pymodbus server; `current` gives the machine as it is now."""
    return [_sim_device(unit, current) for unit in UNITS]


def _sim_device(unit: Unit, current: Callable[[], Machine]) -> SimDevice:
    async def action(
        fc: int, start: int, address: int, count: int, registers: list[int], new: list[int] | list[bool] | None
    ) -> ExcCodes | None:
        fill = unit.fill.get(fc)
        if fill is None or new is not None:
            return ExcCodes.ILLEGAL_FUNCTION
        for at, word in fill(current()).items():
            registers[at - start] = word
        return None

    def blocks(code: int) -> list[SimData]:
        spans = unit.spans.get(code)
        if code in (COILS, CONTACTS):  # pymodbus wants at least one group of bits
            groups = spans[0] if spans else (0, 1)
            return [SimData(groups[0] * 16, values=[False] * (16 * groups[1]), datatype=DataType.BITS)]
        if spans is None:
            return [SimData(0, datatype=DataType.INVALID)]
        return [SimData(first, count=count, datatype=DataType.REGISTERS) for first, count in spans]

    # pymodbus's order of the four tables: coils, discrete inputs, holding registers, input registers
    return SimDevice(unit.unit_id, (blocks(COILS), blocks(CONTACTS), blocks(HOLDING), blocks(INPUT)), action=action)
