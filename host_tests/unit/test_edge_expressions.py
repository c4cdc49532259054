"""Expressions: the result of every random tree equals that of a second evaluator; mistakes are told with their column;
what is not good never becomes a number."""

from edge.evaluate import MAX_STACK
from edge.expression import MAX_CHARS, ExpressionError, parse
from oracle import Bad, Chance, show, tree_of, value

NAMES = ["meter.power", "plc.state", "drive-2.speed-max", "3phase.i_l1", "climate.t"]
SCALES = [(1, 0), (1, 0), (2, 0), (1, 0), (10, -40)]


def resolve(name):
    if name not in NAMES:
        return None
    index = NAMES.index(name)
    return (index,) + SCALES[index]


def run(text, values):
    return parse(text, resolve).run(values)


def mistake(text):
    try:
        parse(text, resolve)
    except ExpressionError as error:
        return str(error)
    raise AssertionError("taken: " + text)


def test_random_trees_give_what_a_second_evaluator_gives():
    chance = Chance(20261127)
    compared = refused = bad = 0
    for _ in range(1500):
        tree = tree_of(chance, 1 + chance(4), NAMES)
        text = show(tree, lambda: chance(8) == 0)
        try:
            expression = parse(text, resolve)
        except ExpressionError as error:
            assert "deep" in str(error) or "wait" in str(error) or "characters" in str(error), (text, str(error))
            refused += 1
            continue
        kept = []
        for _ in range(3):
            raw = [(0, 1, 5, -3, 1 << 40, 0.25, -1234.5, None)[chance(7 + (chance(9) == 0))] for _ in NAMES]
            scaled = [r if r is None else r * scale + offset for r, (scale, offset) in zip(raw, SCALES)]
            found = expression.run(raw)
            try:
                wanted = value(tree, dict(zip(NAMES, scaled)), kept)
            except Bad:
                wanted = None
                bad += 1
                assert found == wanted and (found is None) == (wanted is None), (text, raw, found, wanted)
            compared += 1
            if wanted is None:
                break  # what prev and hyst keep after a failure half way is not part of the promise
    assert compared > 2500 and refused < 150 and bad > 200
    print("REPORT: expressions: %d results equal a second evaluator's, %d of them not good" % (compared, bad))


def test_the_comparison_can_fail():
    assert value(("-", 7, ("-", 2, 1)), {}, []) != run("7 - 2 - 1", [])


def test_precedence_and_forms():
    for text, wanted in (
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("7 - 2 - 1", 4),
        ("8 / 2 / 2", 2.0),
        ("-2 * -3", 6),
        ("- (1 + 1)", -2),
        ("1 + 1 = 2 and not 3 < 2 or 0", 1),
        ("not 1 = 2", 1),
        ("min(3, 2, 5) + max(1, 4)", 6),
        ("bit(5, 0) + bit(5, 1) + bit(5, 2)", 2),
        ("0x1F % 16", 15),
        ("1e3 + 1e-1", 1000.1),
        (".5 + 1.", 1.5),
        ("1<2", 1),
        ("3!=3", 0),
        ("3==3", 1),
        ("5 % 3", 2),
        ("16777217 + 0", 16777217),  # whole numbers keep every bit on boards
    ):
        found = run(text, [])
        assert found == wanted or abs(found - wanted) < 1e-3, (text, found)


def test_points_are_scaled_and_names_may_contain_a_minus():
    values = [5, 3, 7, 2, 600]
    assert run("drive-2.speed-max", values) == 14  # scale 2
    assert run("drive-2.speed-max - 3phase.i_l1", values) == 12
    assert run("climate.t", values) == 5960
    assert run("meter.power -1", values) == 4


def test_previous_value_and_hysteresis_keep_state():
    rise = parse("meter.power - prev(meter.power)", resolve)
    assert [rise.run([n] + [0] * 4) for n in (5, 8, None, 10)] == [None, 3, None, 2]
    above = parse("hyst(meter.power, 10, 8)", resolve)
    assert [above.run([n] + [0] * 4) for n in (9, 10, 9, 8, 9, 11)] == [0, 1, 1, 0, 0, 1]
    below = parse("hyst(meter.power, 2, 4)", resolve)
    assert [below.run([n] + [0] * 4) for n in (3, 2, 3, 4, 3)] == [0, 1, 1, 0, 0]
    two = parse("prev(plc.state) + prev(meter.power)", resolve)
    two.run([1, 2, 0, 0, 0])
    two.run([3, 4, 0, 0, 0])
    assert two.run([0] * 5) == 7


def test_what_is_not_good_is_never_a_number():
    for text, values in (
        ("meter.power or 1", [None, 0, 0, 0, 0]),
        ("0 * meter.power", [None, 0, 0, 0, 0]),
        ("1 / plc.state", [0] * 5),
        ("1 % plc.state", [0] * 5),
        ("1e38 * 1e38 > 1", []),
        ("min(1e38 * 10, 1)", []),
        ("bit(1, 64)", []),
        ("bit(1.5, 0)", []),
        ("hyst(1, 2, 2)", []),
        ("prev(1)", []),
    ):
        assert run(text, values) is None, text


def test_mistakes_are_told_with_their_column():
    for text, wanted in (
        ("", "column 1: found the end, allowed a number, a point as unit.point, a function or ("),
        ("1 +", "column 4: found the end, allowed a number"),
        ("1 2", 'column 3: found "2", allowed an operator or the end'),
        ("(1 + 2", 'column 7: found the end, allowed ")"'),
        ("1 + )", 'column 5: found ")", allowed a number'),
        ("meter.pwr > 1", 'column 1: found "meter.pwr", allowed a point as unit.point'),
        ("1 + meter.power-1", 'column 5: found "meter.power-1", allowed a point as unit.point (to subtract, put a '),
        ("1 < 2 < 3", 'column 7: found "<", allowed one comparison; join two by and'),
        ("max(1)", 'column 6: found ")", allowed "," and 2 arguments of max'),
        ("abs(1, 2)", 'column 6: found ",", allowed 1 argument of abs'),
        ("bit(1)", 'column 6: found ")", allowed "," and 2 arguments of bit'),
        ("sin(1)", 'column 1: found "sin", allowed a point'),
        ("1 + not 2", 'column 5: found "not", allowed parentheses around not'),
        ("1 ; 2", 'column 3: found ";", allowed an operator or the end'),
        ("__import__(1)", 'column 1: found "__import__"'),
        ("1_0", 'column 1: found "1_0"'),
        ("inf", 'column 1: found "inf"'),
        ("1e", 'column 1: found "1e"'),
        ("0x", 'column 1: found "0x"'),
        ("and 1", 'column 1: found "and", allowed a number'),
        ("(" * 30 + "1" + ")" * 30, "allowed operators and parentheses at most 12 deep"),
        ("1 + " * 64 + "1", "found 257 characters, allowed 255"),
        ("1+" * 110 + "1", "allowed a shorter expression"),
    ):
        assert wanted in mistake(text), (text, mistake(text))


def test_no_text_brings_it_down():
    chance = Chance(3)
    pieces = "meter.power 1 2.5 ( ) + - and not or min( , < prev( hyst(".split()
    taken = 0
    for _ in range(3000):
        text = "".join([pieces[chance(len(pieces))] + " " * chance(2) for _ in range(1 + chance(12))])
        try:
            parse(text, resolve).run([1, 2, 3, 4, 5])
            taken += 1
        except ExpressionError as error:
            assert "found" in str(error) and "allowed" in str(error)
    assert taken > 30
    assert MAX_STACK == 12 and MAX_CHARS == 255
