"""A second evaluator of expressions, on trees instead of operations, for tests: shares no line with lib/edge.

A tree is a number, ("point", name), or (operator, tree, ...). `show` writes it as text, `value` computes it.
"""

LEVELS = {"or": 1, "and": 2, "not": 3, "+": 5, "-": 5, "*": 6, "/": 6, "%": 6, "neg": 7}
COMPARES = ("<", "<=", ">", ">=", "=", "<>")
CALLS = ("abs", "min", "max", "bit", "prev", "hyst")
LARGEST = 3.4028235e38


class Bad(Exception):
    pass


def show(tree, spare=lambda: False, above=0):
    """The tree's text with the parentheses that it needs, and more where spare() says so."""
    if not isinstance(tree, tuple):
        return repr(tree)
    op = tree[0]
    if op == "point":
        return tree[1]
    if op in CALLS:
        return "%s(%s)" % (op, ", ".join([show(arm, spare) for arm in tree[1:]]))
    level = 4 if op in COMPARES else LEVELS[op]
    if op == "neg":
        text = "-" + show(tree[1], spare, 7)
    elif op == "not":
        text = "not " + show(tree[1], spare, 3)
    else:
        left = level + 1 if level == 4 else level
        text = "%s %s %s" % (show(tree[1], spare, left), op, show(tree[2], spare, level + 1))
    return "(%s)" % text if level < above or spare() else text


def value(tree, points, kept):
    """The number that the tree stands for, or Bad. points: {name: number or None}. kept: list that stands for what
    prev and hyst remember, one entry for each in the order of evaluation; empty for the first time."""
    for name in _names(tree):
        if points[name] is None:
            raise Bad
    state = [0]
    return _value(tree, points, kept, state)


def _names(tree):
    if not isinstance(tree, tuple):
        return []
    if tree[0] == "point":
        return [tree[1]]
    return [name for arm in tree[1:] for name in _names(arm)]


def _value(tree, points, kept, state):
    if not isinstance(tree, tuple):
        return tree
    op = tree[0]
    if op == "point":
        return points[tree[1]]
    arms = [_value(arm, points, kept, state) for arm in tree[1:]]
    if op in ("prev", "hyst"):
        slot = state[0]
        state[0] += 1
        while len(kept) <= slot:
            kept.append(None)
        if op == "prev":
            before, kept[slot] = kept[slot], arms[0]
            if before is None:
                raise Bad
            return before
        x, on, off = arms
        if on == off:
            raise Bad
        if (x >= on) if on > off else (x <= on):
            kept[slot] = 1
        elif kept[slot] is None or ((x <= off) if on > off else (x >= off)):
            kept[slot] = 0
        return kept[slot]
    return _checked(_operation(op, arms))


def _checked(number):
    if number != number or abs(number) > LARGEST:
        raise Bad
    return number


def _operation(op, arms):
    one = arms[0]
    if op == "neg":
        return -one
    if op == "not":
        return int(not one)
    if op == "abs":
        return abs(one)
    if op in ("min", "max"):
        return min(arms) if op == "min" else max(arms)
    other = arms[1]
    if op == "bit":
        if int(other) != other or not 0 <= other < 64 or int(one) != one:
            raise Bad
        return (int(one) // 2 ** int(other)) % 2
    if op in ("/", "%") and other == 0:
        raise Bad
    return {
        "or": lambda: int(bool(one or other)),
        "and": lambda: int(bool(one and other)),
        "<": lambda: int(one < other),
        "<=": lambda: int(one <= other),
        ">": lambda: int(one > other),
        ">=": lambda: int(one >= other),
        "=": lambda: int(one == other),
        "<>": lambda: int(one != other),
        "+": lambda: one + other,
        "-": lambda: one - other,
        "*": lambda: one * other,
        "/": lambda: one / other,
        "%": lambda: one % other,
    }[op]()


class Chance:
    """Repeatable random numbers 0..n-1."""

    def __init__(self, seed):
        self.state = seed

    def __call__(self, n):
        self.state = (self.state * 1103515245 + 12345) & 0x7FFFFFFF
        return (self.state >> 8) % n


def tree_of(chance, depth, names):
    """A random tree of points with these names."""
    kind = chance(10)
    if depth == 0 or kind == 0:
        if chance(3):
            return ("point", names[chance(len(names))])
        return (0, 1, 2, 3, 7, 100, 65535, 4294967296, 0.5, 2.25, 1e-05, 1000000.0)[chance(12)]
    arm = lambda: tree_of(chance, depth - 1, names)  # noqa: E731
    if kind < 4:
        return ("+", "-", "*", "/", "%")[chance(5)], arm(), arm()
    if kind < 6:
        return COMPARES[chance(6)], arm(), arm()
    if kind == 6:
        return ("and", "or")[chance(2)], arm(), arm()
    if kind == 7:
        return ("not", "neg", "abs")[chance(3)], arm()
    if kind == 8:
        return (("min", "max")[chance(2)],) + tuple([arm() for _ in range(2 + chance(3))])
    return (("bit", arm(), chance(64)), ("prev", arm()), ("hyst", arm(), arm(), arm()))[chance(3)]
