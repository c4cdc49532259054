"""A small packaging machine that starts, runs, idles and faults, with the quantities its devices would show.

Promises: everything follows from the seed and the machine's own time, which advances in steps of STEP_MS: how
often and when somebody looks changes nothing. Quantities agree with each other (power follows the drive's load,
energy is the sum of power, counters count finished cycles) and move as a machine's do. The figures are this
project's assumption of a 1.5 kW machine on 230 V, not measurements of one.
"""

from __future__ import annotations

import enum
import math
import random

STEP_MS = 100
MAX_STEPS_AT_ONCE = 100_000  # 2.8 h of machine time; more is skipped (the host slept)
_STEP_S = STEP_MS / 1000


class State(enum.Enum):
    """What the machine does."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    IDLE = "idle"
    FAULT = "fault"


# The first minutes are fixed in order (with seeded durations), so that a short demonstration sees every state.
_OPENING = (
    (State.STOPPED, 12, 16),
    (State.STARTING, 10, 10),
    (State.RUNNING, 75, 95),
    (State.IDLE, 30, 40),
    (State.RUNNING, 55, 70),
    (State.FAULT, 35, 45),
)
_DURATION_S = {
    State.STOPPED: (10, 30),
    State.STARTING: (10, 10),
    State.RUNNING: (60, 240),
    State.IDLE: (15, 60),
    State.FAULT: (20, 90),
}
_FOLLOWING = {State.STOPPED: State.STARTING, State.STARTING: State.RUNNING, State.IDLE: State.RUNNING}
OPENING_S = 270  # machine time by which every state was seen, whatever the seed

_TARGET_HZ = {State.STARTING: 45.0, State.RUNNING: 45.0, State.IDLE: 10.0}
_RAMP_HZ_PER_S = 5.0
_CYCLE_S = 4.0
_REJECT_CHANCE = 0.03
_AMBIENT_C = 22.5


class Machine:
    """The machine at one moment; `advance_to_ms` moves it on. Quantities are attributes with their unit."""

    def __init__(self, seed: int = 1) -> None:
        self._rng = random.Random(seed)
        self._opening = list(_OPENING)
        self._step = 0
        self.steps_skipped = 0
        self.state = State.STOPPED
        self._left_s = 0.0
        self._cycle_s = 0.0
        self._load = 0.0
        self.cycles = self.good = self.rejects = 0
        self.output_hz = 0.0
        self.drive_current_a = 0.0
        self.dc_bus_v = 322.0
        self.output_v = 0.0
        self.mains_v = 230.0
        self.mains_hz = 50.0
        self.power_w = 85.0
        self.power_factor = 0.62
        self.energy_kwh = 1204.5
        self.temperature_c = _AMBIENT_C
        self.humidity_percent = 47.0
        self._enter_next()

    @property
    def time_ms(self) -> int:
        """Machine time since it was built."""
        return self._step * STEP_MS

    @property
    def running(self) -> bool:
        """The PLC's run contact: producing."""
        return self.state is State.RUNNING

    @property
    def fault(self) -> bool:
        """The PLC's fault contact."""
        return self.state is State.FAULT

    @property
    def apparent_va(self) -> float:
        """Apparent power."""
        return self.power_w / self.power_factor

    @property
    def reactive_var(self) -> float:
        """Reactive power."""
        return math.sqrt(max(0.0, self.apparent_va**2 - self.power_w**2))

    @property
    def current_a(self) -> float:
        """Current taken from the mains."""
        return self.apparent_va / self.mains_v

    def advance_to_ms(self, time_ms: int) -> None:
        """Move on to a machine time; one that lies in the past changes nothing."""
        steps = time_ms // STEP_MS - self._step
        if steps > MAX_STEPS_AT_ONCE:
            self.steps_skipped += steps - MAX_STEPS_AT_ONCE
            self._step += steps - MAX_STEPS_AT_ONCE
            steps = MAX_STEPS_AT_ONCE
        for _ in range(steps):
            self._advance()

    def force(self, state: State) -> None:
        """Put the machine into a state now, for its usual duration."""
        self._enter(state, *_DURATION_S[state])

    def _advance(self) -> None:
        self._step += 1
        self._left_s -= _STEP_S
        if self._left_s <= 0:
            self._enter_next()
        self._drive()
        self._produce()
        self._mains()
        self._climate()

    def _enter_next(self) -> None:
        if self._opening:
            self._enter(*self._opening.pop(0))
        elif self.state is State.RUNNING:
            state = State.FAULT if self._rng.random() < 0.35 else State.IDLE
            self._enter(state, *_DURATION_S[state])
        elif self.state is State.FAULT:
            self._enter(State.STOPPED, *_DURATION_S[State.STOPPED])
        else:
            state = _FOLLOWING[self.state]
            self._enter(state, *_DURATION_S[state])

    def _enter(self, state: State, shortest_s: float, longest_s: float) -> None:
        self.state = state
        self._left_s = self._rng.uniform(shortest_s, longest_s)

    def _drive(self) -> None:
        """Variable-frequency drive: ramps, coasts quickly to a stop in a fault, U/f characteristic."""
        target_hz = _TARGET_HZ.get(self.state, 0.0)
        ramp = _RAMP_HZ_PER_S * _STEP_S * (4 if self.state is State.FAULT else 1)
        accelerating = target_hz > self.output_hz + ramp
        self.output_hz += max(-ramp, min(ramp, target_hz - self.output_hz))
        stroke = 0.25 * math.sin(2 * math.pi * self._cycle_s / _CYCLE_S) if self.running else 0.0
        wanted = 0.0 if self.output_hz == 0 else 0.25 + (0.4 + stroke if self.running else 0.0) + 0.5 * accelerating
        self._load += 0.3 * (wanted - self._load)
        self.drive_current_a = 0.0 if self.output_hz == 0 else max(0.0, 1.6 + 4.4 * self._load + self._noise(0.03))
        self.output_v = 230.0 * self.output_hz / 50.0
        self.dc_bus_v = self.mains_v * 1.4 - 6.0 * self._load + self._noise(0.2)

    def _produce(self) -> None:
        if not self.running:
            return
        self._cycle_s += _STEP_S
        if self._cycle_s >= _CYCLE_S:
            self._cycle_s -= _CYCLE_S
            self.cycles += 1
            if self._rng.random() < _REJECT_CHANCE:
                self.rejects += 1
            else:
                self.good += 1

    def _mains(self) -> None:
        self.mains_v += 0.02 * (230.0 - 1.8 * self._load - self.mains_v) + self._noise(0.12)
        self.mains_hz += 0.05 * (50.0 - self.mains_hz) + self._noise(0.003)
        shaft_w = 1900.0 * self._load * self.output_hz / 50.0
        standby_w = 85.0 if self.state in (State.STOPPED, State.FAULT) else 140.0
        self.power_w += 0.4 * (standby_w + shaft_w - self.power_w) + self._noise(1.5)
        self.power_w = max(60.0, self.power_w)
        self.power_factor = min(0.97, 0.62 + 0.33 * min(1.0, self.power_w / 1200.0))
        self.energy_kwh += self.power_w * _STEP_S / 3.6e6

    def _climate(self) -> None:
        """Cabinet air: warms with the power lost in it (time constant about 100 s), and dries as it warms."""
        settled_c = _AMBIENT_C + self.power_w / 90.0
        self.temperature_c += _STEP_S / 100.0 * (settled_c - self.temperature_c) + self._noise(0.01)
        self.humidity_percent = max(15.0, min(90.0, 47.0 - 1.4 * (self.temperature_c - _AMBIENT_C)))

    def _noise(self, sigma: float) -> float:
        return self._rng.gauss(0.0, sigma)
