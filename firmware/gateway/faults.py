"""Whose fault it is, on its way: events fault_begins and fault_ends, and what is wrong now, retained in <base>/faults.

Loaded where ot.json says `attribution`. One look a second; production.attribution decides. The argument `a` of both
events is cause << 16 | reason << 8 | subject: a unit id (device), the number of the bus (bus), else 0.
"""

import json

from gateway import words
from production import attribution, oee

STEP_MS = 1000
AGAIN_S = 60  # durations are told anew
CAUSES = ("", "equipment", "device", "bus", "network", "broker", "gateway")
_REASONS = (
    (),
    ("reported",),
    ("silent", "damaged", "unsteady", "late"),
    ("no_unit_answers", "port", "never_silent", "damaged", "stray_bytes", "foreign_client", "echo"),
    ("no_link", "no_route", "no_name"),
    ("connection_refused", "login_refused", "no_connack", "no_puback", "connection_lost", "tls"),
    ("started", "watchdog", "restarted", "overload", "records_dropped"),
)


class FaultWatch:
    """gateway: the app's Gateway with its buses and its session."""

    def __init__(self, gateway):
        self._gateway = gateway
        self._clock = gateway.clock
        self.faults = attribution.Faults(self._tell)
        self._lines = [attribution.Line(bus, number) for number, bus in enumerate(gateway.buses)]
        self._uplink = attribution.Uplink(gateway.session)
        recorder = gateway.recorder
        self._box = attribution.Box(gateway.clock, gateway.reset_cause, lambda: recorder.dropped_total)
        self._connects = 0
        self._rounds = 0

    async def run(self, sleep_ms, room):
        """Until the program ends. room(sleep_ms) waits for a moment in which no line needs the loop."""
        while True:
            await sleep_ms(STEP_MS)
            await room(sleep_ms)
            self.step()

    def step(self):
        """One look, once in STEP_MS."""
        gateway = self._gateway
        faults = self.faults
        for line in self._lines:
            line.look(faults)
        self._uplink.look(faults)
        self._box.look(faults, STEP_MS)
        production = gateway.production
        if production and production.machine.state == oee.FAULT:
            faults.see(attribution.EQUIPMENT, 1, 0, 95)
        faults.end_round()
        session = gateway.session
        self._rounds += 1
        if not session.ready or gateway.publisher.notice is not None:
            return
        if faults.changed or session.connects != self._connects or (faults.now and self._rounds >= AGAIN_S):
            faults.changed = False
            self._connects = session.connects
            self._rounds = 0
            gateway.publisher.notice = ("faults", self.text())

    def text(self):
        """What is wrong now, as JSON."""
        rows = []
        for key in sorted(self.faults.now):
            fault = self.faults.now[key]
            cause = key >> 16
            rows.append(
                '{"cause":"%s","reason":"%s","subject":%s,"confidence":%d,"duration_s":%d}'
                % (
                    CAUSES[cause],
                    reason_name(cause, fault[2]),
                    json.dumps(self._subject(cause, key >> 8 & 255, key & 255)),
                    fault[3],
                    self.faults.age(fault),
                )
            )
        utc_ms = self._clock.utc_ms()
        return '{"format":1,"utc_ms":%s,"faults":[%s]}' % (json.dumps(utc_ms), ",".join(rows))

    def _subject(self, cause, bus, subject):
        if cause == attribution.DEVICE:
            for unit in self._gateway.buses[bus].plan.units:
                if unit.unit_id == subject:
                    return unit.name
        return self._gateway.buses[bus].line.name if cause == attribution.BUS else None

    def _tell(self, begins, cause, reason, subject, value):
        code = words.FAULT_BEGINS if begins else words.FAULT_ENDS
        self._gateway.recorder.event(code, cause << 16 | reason << 8 | subject, value)


def reason_name(cause, reason):
    """The word for a reason of a cause."""
    return _REASONS[cause][reason - 1]
