"""Writes the data of samples as columns, see flashlog.columns: how long rows are, and what refers to what."""

from array import array

from flashlog.columns import (
    AFTER_WHOLE,
    FIRST,
    MASK,
    MAX_DATA_BYTES,
    NEXT,
    UNITS_ONLY,
    WHOLE,
    load_values,
    move,
    plan_of,
    put_plan,
    put_values,
)

# The longest row is one of 252 bytes in columns: 6 nibbles for each two of them, and their plan.
_ROW_BYTES = 416
_LAST_VALUES = 160  # of groups in one block, for which differences can be written
_PLACE_BITS = 8
_PLACE_MASK = (1 << _PLACE_BITS) - 1
_PENDING = 16  # in a plan, beside the order: the group's last row is whole, its next one writes the plan


class Workspace:
    """What builders that take turns share: how each group is cut into columns, the last values of the groups in the
    block that is being filled, and the row that is being written."""

    def __init__(self):
        self.plans = {}  # group: flashlog.columns.plan_of(...); for others 16-bit registers are taken
        self.row = bytearray(_ROW_BYTES)
        self.owner = None  # the builder whose block the last values belong to
        self._values = array("I", bytes(4 * MAX_DATA_BYTES // 2))
        self._last = array("I", bytes(4 * _LAST_VALUES))
        self._keys = {}  # group: generation << 8 | place of its last values
        self._generation = 0

    def begin(self, owner):
        """Forget the last values: a block begins, or another one goes on."""
        self.owner = owner
        self._free = 0
        self._generation = (self._generation + 1) & 0xFFFFF
        if not self._generation:
            self._keys.clear()

    def put(self, at, group, data, nbytes):
        """Write tag and data of a sample whose time ends at `at` in `row`; returns the place behind. As columns if that
        is shorter or will be."""
        row = self.row
        plan = self.plans.get(group)
        if plan is None:
            plan = self.plans[group] = plan_of(nbytes)
        end = 0
        self._plan = None
        if plan[0] == nbytes:
            end = self._put_columns(at, group, plan, data, nbytes)
        if not end:
            row[0] = WHOLE
            row[at] = nbytes
            move(row, at + 1, data, 0, nbytes)
            end = at + 1 + nbytes
            if self._plan is None:
                self._keys[group] = 0  # nothing refers to it
        return end

    def _put_columns(self, at, group, plan, data, nbytes):
        """The same if it can be done; 0: the row is to be whole."""
        row = self.row
        order = plan[1] & 15
        known = self._keys.get(group, 0)
        place = known & _PLACE_MASK if known >> _PLACE_BITS == self._generation else -1
        decimals = load_values(data, plan, self._values, 0 if place >= 0 else 1, MASK)
        if decimals < 0:
            self._keys[group] = 0
            place = -1
            decimals = load_values(data, plan, self._values, 1, MASK)
        end = 0
        if place >= 0:
            nibble = 2 * at
            row[0] = NEXT
            if plan[1] != order:
                row[0] = AFTER_WHOLE
                nibble = put_plan(row, at, plan)
            end = put_values(row, nibble, self._values, self._last, place, plan[3], MASK)
            if end > at + nbytes:
                if decimals:
                    return 0
                end = 0
        elif decimals:
            row[0] = FIRST
            row[at] = nbytes
            end = put_values(row, put_plan(row, at + 1, plan), self._values, self._last, -1, plan[3], MASK)
        self._plan = plan
        self._group = group
        self._place = place
        self._head = order if end or order == UNITS_ONLY else order | _PENDING
        return end

    def keep(self):
        """The row of the last `put` is in the block: the next one of its group refers to it."""
        plan = self._plan
        if plan is None:
            return
        place = self._place
        if place < 0:
            place = self._free
            if place + plan[3] > _LAST_VALUES:
                return
            self._free += plan[3]
            self._keys[self._group] = self._generation << _PLACE_BITS | place
        move(self._last, 4 * place, self._values, 0, 4 * plan[3])
        plan[1] = self._head
