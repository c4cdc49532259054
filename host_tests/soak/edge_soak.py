"""Soak of the expressions: random trees against the second evaluator of host_tests/fakes/oracle.py, for a time.

`--seconds` for how long, `--seed` for which. Ends with status 1 at the first difference, which it prints.
"""

from __future__ import annotations

import argparse
import time

from edge.expression import ExpressionError, parse
from oracle import Bad, Chance, show, tree_of, value

NAMES = ["a.a", "b.b", "c.c", "d.d"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = Chance(options.seed)
    until = time.monotonic() + options.seconds
    results = bad = refused = 0
    while time.monotonic() < until:
        tree = tree_of(chance, 1 + chance(5), NAMES)
        text = show(tree, lambda: chance(6) == 0)
        try:
            expression = parse(text, lambda name: (NAMES.index(name), 1, 0))
        except ExpressionError:
            refused += 1  # too deep or too long
            continue
        kept: list[object] = []
        for _ in range(4):
            numbers = [(0, 1, -7, 1 << 62, 0.125, -3e37, None)[chance(6 + (chance(20) == 0))] for _ in NAMES]
            try:
                wanted = value(tree, dict(zip(NAMES, numbers)), kept)
            except Bad:
                wanted = None
            found = expression.run(numbers)
            if found != wanted or (found is None) != (wanted is None):
                print(f"{text} with {numbers}: {found}, the second evaluator says {wanted}")
                return 1
            results += 1
            if wanted is None:
                bad += 1
                break
    print(f"expressions: {results} results equal, {bad} of them not good, {refused} texts refused")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
