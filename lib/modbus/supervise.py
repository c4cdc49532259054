"""Warns for units that act when polling stops, such as drives with communication-loss supervision.

Such a unit has `comm_loss_ms` in its configuration. The event comm_loss_risk (unit id, ms) is raised
before the first poll (0 ms: from now on a stop has consequences) and before every planned pause after
which the unit could have been left alone for longer than that: its last poll may be one period ago.
"""

from modbus.codes import COMM_LOSS_RISK, const

_AGAIN_MS = const(60000)  # events of one unit; `risks` counts all


class Supervision:
    """The supervised units of one plan. on_event(code, a, b) as in modbus.codes."""

    def __init__(self, plan, clock, on_event):
        self.risks = 0  # planned pauses that were longer than a unit stands
        self._ms = clock.ticks_ms
        self._diff = clock.ticks_diff
        self._on_event = on_event
        self._rows = []  # [unit, ms that polling may pause, ticks_ms of its last warning or None]
        for unit in plan.units:
            if unit.comm_loss_ms:
                period_ms = min([read.period_ms for read in plan.reads if read.unit is unit])
                self._rows.append([unit, max(0, unit.comm_loss_ms - period_ms), None])

    def begin(self):
        """Polling is about to begin."""
        for row in self._rows:
            self._on_event(COMM_LOSS_RISK, row[0].unit_id, 0)

    def planned(self, pause_ms):
        """A pause of at most pause_ms is about to be asked for."""
        for row in self._rows:
            if pause_ms > row[1]:
                self.risks = (self.risks + 1) & 0x3FFFFFFF
                now = self._ms()
                if row[2] is None or not 0 <= self._diff(now, row[2]) < _AGAIN_MS:
                    row[2] = now
                    self._on_event(COMM_LOSS_RISK, row[0].unit_id, pause_ms)
