"""Runs what edge.expression has made of a text: a few bytes for a stack of numbers. No names, no calls, no loops.

Every operation stands for itself: an input that is not good, a division by zero, a number beyond 3.4e38 or a previous
value that there is not yet make the whole result None, never a number. Integers stay exact; `/` and floats have the
precision of the runtime, single on boards.
"""

LOAD, CONST, ADD, SUB, MUL, DIV, MOD, NEG = 0, 1, 2, 3, 4, 5, 6, 7
LESS, LESS_EQUAL, EQUAL, NOT_EQUAL, AND, OR, NOT = 8, 9, 10, 11, 12, 13, 14
ABS, MIN, MAX, BIT, PREV, HYST, GREATER, GREATER_EQUAL = 15, 16, 17, 18, 19, 20, 21, 22
MAX_STACK = 12
_LARGEST = 3.4028235e38  # of float32

_stack = [None] * MAX_STACK  # one for all: a run never waits


class Expression:
    """code: bytes of operations; constants: numbers; needs: indexes of the inputs; slots: how many values it keeps."""

    __slots__ = ("_code", "_constants", "needs", "_kept")

    def __init__(self, code, constants, needs, slots):
        self._code = code
        self._constants = constants
        self.needs = needs
        self._kept = [None] * slots

    def run(self, values):
        """The result, an int or a float; None if it is not good. values: of edge.inputs.Inputs."""
        for index in self.needs:
            if values[index] is None:
                return None
        code = self._code
        stack = _stack
        top = -1
        at = 0
        size = len(code)
        while at < size:
            op = code[at]
            at += 1
            if op < 2:
                top += 1
                stack[top] = values[code[at]] if op == LOAD else self._constants[code[at]]
                at += 1
                continue
            one = stack[top]
            if op == NEG:
                stack[top] = -one
            elif op == NOT:
                stack[top] = 0 if one else 1
            elif op == ABS:
                stack[top] = abs(one)
            elif op == PREV:
                slot = code[at]
                at += 1
                stack[top] = self._kept[slot]
                self._kept[slot] = one
                if stack[top] is None:
                    return None
            elif op == HYST:  # the number, where it becomes 1, where it becomes 0 again
                top -= 2
                stack[top] = self._hysteresis(code[at], stack[top], stack[top + 1], one)
                at += 1
                if stack[top] is None:
                    return None
            else:
                top -= 1
                result = _two(op, stack[top], one)
                if result is None or result != result or result > _LARGEST or result < -_LARGEST:
                    return None
                stack[top] = result
        return stack[0]

    def _hysteresis(self, slot, value, on, off):
        if on == off:
            return None
        state = self._kept[slot] or 0
        if value >= on if on > off else value <= on:
            state = 1
        elif value <= off if on > off else value >= off:
            state = 0
        self._kept[slot] = state
        return state


def _two(op, one, other):
    if op == ADD:
        return one + other
    if op == SUB:
        return one - other
    if op == MUL:
        return one * other
    if op == DIV or op == MOD:
        if not other:
            return None
        return one / other if op == DIV else one % other
    if op == LESS:
        return 1 if one < other else 0
    if op == LESS_EQUAL:
        return 1 if one <= other else 0
    if op == GREATER:
        return 1 if one > other else 0
    if op == GREATER_EQUAL:
        return 1 if one >= other else 0
    if op == EQUAL:
        return 1 if one == other else 0
    if op == NOT_EQUAL:
        return 0 if one == other else 1
    if op == AND:
        return 1 if one and other else 0
    if op == OR:
        return 1 if one or other else 0
    if op == MIN:
        return other if other < one else one  # of equals the first
    if op == MAX:
        return other if other > one else one
    if other < 0 or other > 63 or other != int(other) or one != int(one):
        return None
    return int(one) >> int(other) & 1
