"""The poll plan: all reads of one line. modbus.planner makes and splits it, and is in memory only then."""

from modbus.codes import const

MAX_GROUPS = const(255)


class Unit:
    """One unit of the line: its settings and the latency that the engine learns.

    first_byte_timeout_ms counts from the last byte of the request to the first of the reply;
    inter_byte_timeout_ms is the longest silence inside a reply. retries: further tries before
    a poll has failed. comm_loss_ms: it acts after so long without a request; 0: it does not.
    """


class Read:
    """One read request, built once. `group` is its number in the plan, `need` the reply's length in bytes.

    points: the dicts of ot.json, by address; None when the plan was told to forget them. sections: array("H"), for
    each point, or points that overlap: first offset from `address`, offset behind it, priority.
    """


class Plan:
    """All reads of one line.

    line: modbus.line.Line. units: list of dicts in the form of ot.json, checked before; None where
    they come one by one: `planner.add` for each and `planner.finish` make the plan then.
    splits: addresses at which reads must not be merged, as (unit id, fc, address): what
    earlier refusals have taught (`splits` of a plan). first_group: number of the first read;
    end_group: the first number that is not this plan's. Raises planner.PlanError when there is too
    much for the bus or there are more reads than numbers. frames False: only its cost is asked for.
    """

    def __init__(self, line, units=None, splits=(), first_group=0, end_group=MAX_GROUPS, frames=True):
        self.line = line
        self.units = []
        self.reads = []
        self.splits = list(splits)
        self.first_group = first_group
        self.end_group = end_group
        self._phases = None
        if units is not None:
            planner = _planner()
            for unit in units:
                planner.add(self, unit, frames)
            planner.finish(self, frames)

    def forget_points(self):
        """Points are for whoever describes the reads; polling and splitting go on without them."""
        for read in self.reads:
            read.points = None

    def share_permille(self):
        """The least part of the time that polling keeps the line busy, rounded up.

        It counts the wire and t3.5 on both sides of a reply; slower units need more.
        """
        return _planner().share_permille(self)

    def phases(self):
        """First due time of every read in ms after the start: reads of one period are spread over it. For one call."""
        found, self._phases = self._phases, None
        return _planner().phases(self) if found is None else found

    def split(self, read, near=None):
        """Replace a read by two; returns the address of the second, or None if it cannot be split.

        They meet at the point nearest to the address `near`, or to the middle. The two get new group
        numbers; the old number is not used again in this plan. Every point goes to one of them.
        Points that overlap stay together.
        """
        return _planner().split(self, read, near)


def _planner():
    from modbus import planner

    return planner
