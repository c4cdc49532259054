"""The machine behind the units: deterministic, plausible, and what the register maps make of it."""

from __future__ import annotations

import asyncio
import random
import struct

import pytest
from pymodbus.simulator.simcore import SimCore

from fieldgate.plant.machine import MAX_STEPS_AT_ONCE, OPENING_S, STEP_MS, Machine, State
from fieldgate.plant.plant import speed_for
from fieldgate.plant.units import UNITS, sim_devices

SEEDS = range(1, 7)


def everything(machine: Machine) -> dict[str, object]:
    return {name: value for name, value in vars(machine).items() if name != "_rng"}


def test_how_often_one_looks_changes_nothing() -> None:
    once, often, rng = Machine(7), Machine(7), random.Random(1)
    once.advance_to_ms(600_000)
    time_ms = 0
    while time_ms < 600_000:
        time_ms = min(600_000, time_ms + rng.randrange(1, 3000))
        often.advance_to_ms(time_ms)
    assert everything(once) == everything(often)
    other = Machine(8)
    other.advance_to_ms(600_000)
    assert everything(other) != everything(once)


@pytest.mark.parametrize("seed", SEEDS)
def test_opening_shows_every_state(seed: int) -> None:
    machine, seen = Machine(seed), []
    for time_ms in range(0, OPENING_S * 1000, STEP_MS):
        machine.advance_to_ms(time_ms)
        if not seen or seen[-1] is not machine.state:
            seen.append(machine.state)
    start = [State.STOPPED, State.STARTING, State.RUNNING, State.IDLE, State.RUNNING, State.FAULT]
    assert seen[: len(start)] == start
    assert 0.6 * 60 * speed_for(60) < OPENING_S < 60 * speed_for(60)


@pytest.mark.parametrize("seed", SEEDS)
def test_quantities_stay_plausible_and_agree(seed: int) -> None:
    machine = Machine(seed)
    energy_kwh, cycles, seen = machine.energy_kwh, 0, set()
    for time_ms in range(0, 3_600_000, STEP_MS):
        machine.advance_to_ms(time_ms)
        seen.add(machine.state)
        assert 220 < machine.mains_v < 240 and 49.8 < machine.mains_hz < 50.2
        assert 50 < machine.power_w < 2500 and 0.5 < machine.power_factor <= 0.97
        assert machine.power_w <= machine.apparent_va and machine.reactive_var >= 0
        assert 0 <= machine.output_hz <= 50 and 0 <= machine.drive_current_a < 10
        assert 300 < machine.dc_bus_v < 335 and 20 < machine.temperature_c < 45
        assert machine.energy_kwh >= energy_kwh and machine.cycles >= cycles
        assert machine.good + machine.rejects == machine.cycles
        if machine.output_hz == 0:
            assert machine.drive_current_a == 0 and machine.output_v == 0
        energy_kwh, cycles = machine.energy_kwh, machine.cycles
    assert seen == set(State) and cycles > 200 and 1204.6 < energy_kwh < 1206.5


def test_running_takes_more_power_than_standing() -> None:
    machine, power_w = Machine(1), {state: [] for state in State}
    for time_ms in range(0, OPENING_S * 1000, STEP_MS):
        machine.advance_to_ms(time_ms)
        power_w[machine.state].append(machine.power_w)
    mean_w = {state: sum(values) / len(values) for state, values in power_w.items()}
    assert mean_w[State.RUNNING] > 3 * mean_w[State.IDLE] and mean_w[State.IDLE] > mean_w[State.STOPPED]


def test_a_host_that_slept_skips_time_in_bounds() -> None:
    machine = Machine(1)
    machine.advance_to_ms(10 * MAX_STEPS_AT_ONCE * STEP_MS)
    assert machine.steps_skipped == 9 * MAX_STEPS_AT_ONCE and machine.time_ms == 10 * MAX_STEPS_AT_ONCE * STEP_MS


def read(machine: Machine, unit: int, fc: int, address: int, count: int) -> list[int] | list[bool] | int:
    """What pymodbus's datastore answers; an exception code as int."""
    return asyncio.run(SimCore(sim_devices(lambda: machine)).async_getValues(unit, fc, address, count))


def test_register_maps_hold_the_machines_quantities() -> None:
    machine = Machine(3)
    machine.advance_to_ms(120_000)

    def float_at(address: int) -> float:
        words = read(machine, 1, 4, address, 2)
        assert isinstance(words, list)
        return struct.unpack(">f", struct.pack(">HH", *words))[0]

    def float32(value: float) -> float:
        return struct.unpack(">f", struct.pack(">f", value))[0]

    assert float_at(0x0000) == float32(machine.mains_v) and float_at(0x000C) == float32(machine.power_w)
    assert float_at(0x0006) == float32(machine.current_a) and float_at(0x0046) == float32(machine.mains_hz)
    assert float_at(0x0048) == float_at(0x0156) == float32(machine.energy_kwh)
    assert read(machine, 2, 4, 1, 2) == [round(machine.temperature_c * 10), round(machine.humidity_percent * 10)]
    machine.temperature_c = -20.5  # 0xFF33, the vendor's own example
    assert read(machine, 2, 4, 1, 1) == [0xFF33]
    assert read(machine, 3, 3, 0x2103, 1) == [round(machine.output_hz * 100)]
    machine.cycles, machine.good, machine.rejects = 0x12345, 0x10002, 7
    assert read(machine, 4, 3, 0, 5) == [0x2345, 0x0001, 0x0002, 0x0001, 7]


@pytest.mark.parametrize(("state", "bits"), [(State.RUNNING, [True, False]), (State.FAULT, [False, True])])
def test_contacts_show_run_and_fault(state: State, bits: list[bool]) -> None:
    machine = Machine(1)
    machine.force(state)
    assert read(machine, 4, 2, 0, 2) == bits and read(machine, 4, 2, 1, 1) == bits[1:]
    assert read(machine, 4, 1, 0, 1) == [False]
    machine.advance_to_ms(20_000)
    assert read(machine, 4, 1, 0, 1) == [state is State.RUNNING]


@pytest.mark.parametrize(
    ("unit", "fc", "address", "count", "code"),
    [(1, 4, 0x4B, 2, 2), (1, 4, 0x150, 8, 2), (1, 3, 0, 2, 2), (2, 4, 0, 2, 2), (2, 4, 3, 1, 2), (3, 3, 0x2102, 2, 2),
     (3, 3, 0x2106, 2, 2), (4, 3, 4, 2, 2), (4, 2, 16, 1, 2), (1, 1, 0, 1, 1), (3, 2, 0, 1, 1)],
)  # fmt: skip
def test_what_a_device_does_not_have_is_an_exception(unit: int, fc: int, address: int, count: int, code: int) -> None:
    assert read(Machine(1), unit, fc, address, count) == code


def test_units_are_read_only() -> None:
    core = SimCore(sim_devices(lambda: Machine(1)))
    for unit in UNITS:
        for code, spans in unit.spans.items():
            write_code = {1: 5, 3: 6}.get(code)
            if write_code:
                assert asyncio.run(core.async_setValues(unit.unit_id, write_code, spans[0][0], [1])) == 1
