"""Turns the text of a derived point into operations for edge.evaluate; loaded at the start only.

Operators wait on a list of their own until a weaker one comes: a board's stack is too small for recursion (12 pairs of
parentheses were too many for an emulated Pico).

    expression := or-chain of and-chains of comparisons: + - before * / %, unary - and not before those, ( )
    value := number | unit.point | abs(x) | min(x, y, ...) | max(x, y, ...) | bit(x, n) | prev(x) | hyst(x, on, off)

Comparisons (< <= > >= = <>, also == !=) give 1 or 0; numbers other than 0 count as true. A minus directly inside a
name belongs to the name: to subtract, put a space before it. Bounded: 255 characters, operators and parentheses 12
deep, 12 numbers waiting, 200 bytes. Mistakes raise ExpressionError with the column, counted from 1.
"""

from edge import evaluate as ops
from edge.evaluate import MAX_STACK, Expression

MAX_CHARS = 255
_MAX_DEPTH = 12
_MAX_CODE = 200
_BINARY = {
    "or": (1, ops.OR),
    "and": (2, ops.AND),
    "<": (4, ops.LESS),
    "<=": (4, ops.LESS_EQUAL),
    ">": (4, ops.GREATER),
    ">=": (4, ops.GREATER_EQUAL),
    "=": (4, ops.EQUAL),
    "==": (4, ops.EQUAL),
    "<>": (4, ops.NOT_EQUAL),
    "!=": (4, ops.NOT_EQUAL),
    "+": (5, ops.ADD),
    "-": (5, ops.SUB),
    "*": (6, ops.MUL),
    "/": (6, ops.DIV),
    "%": (6, ops.MOD),
}
_COMPARES = 4
_NOT = 3
_UNARY = 7
# name: (least, largest number of arguments, operation)
_FUNCTIONS = {
    "abs": (1, 1, ops.ABS),
    "min": (2, 8, ops.MIN),
    "max": (2, 8, ops.MAX),
    "bit": (2, 2, ops.BIT),
    "prev": (1, 1, ops.PREV),
    "hyst": (3, 3, ops.HYST),
}
_END = ""


class ExpressionError(ValueError):
    """The text cannot be used; says where, what was found and what is allowed."""


def parse(text, resolve):
    """The Expression that `text` stands for. resolve(name): (index of the input, scale, offset), or None."""
    if len(text) > MAX_CHARS:
        raise ExpressionError("found %d characters, allowed %d" % (len(text), MAX_CHARS))
    return _Parser(text, resolve).whole()


class _Parser:
    def __init__(self, text, resolve):
        self._text = text
        self._resolve = resolve
        self._at = 0
        self._code = bytearray()
        self._constants = []
        self._needs = []
        self._slots = 0
        self._stack = 0
        self._waiting = []
        self._next()

    def whole(self):
        """The Expression. Raises ExpressionError."""
        wants_value = True
        while True:
            if wants_value:
                wants_value = self._value()
            elif self._token in _BINARY:
                self._operator()
                wants_value = True
            elif self._token == ",":
                self._comma()
                wants_value = True
            elif self._token == ")":
                self._close()
            elif self._token == _END:
                break
            else:
                self._refuse("an operator or the end")
        self._settle(0)
        if self._waiting:
            self._refuse('")"')
        return Expression(bytes(self._code), tuple(self._constants), tuple(self._needs), self._slots)

    # Tokens

    def _next(self):
        """Take the next token: `_token` is its text, `_start` its place."""
        text, at = self._text, self._at
        while at < len(text) and text[at] == " ":
            at += 1
        self._start = at
        if at == len(text):
            end = at
        elif _in_word(text[at]):
            end = _word_end(text, at)
        else:
            end = at + (2 if text[at : at + 2] in ("<=", ">=", "<>", "==", "!=") else 1)
        self._token = text[at:end]
        self._at = end

    def _refuse(self, allowed, found=None):
        found = found or self._token
        raise ExpressionError(
            "column %d: found %s, allowed %s" % (self._start + 1, '"%s"' % found if found else "the end", allowed)
        )

    # Rules. What waits is (strength, operation), of an open parenthesis (0, name of the function or None, arguments).

    def _wait(self, entry):
        if len(self._waiting) == _MAX_DEPTH:
            self._refuse("operators and parentheses at most %d deep" % _MAX_DEPTH)
        self._waiting.append(entry)

    def _settle(self, strength):
        """Put out the operators that wait and bind at least so strongly, up to the last open parenthesis."""
        while self._waiting and self._waiting[-1][0] and self._waiting[-1][0] >= strength:
            bound, op = self._waiting.pop()
            self._put(op)
            if op != ops.NEG and op != ops.NOT:
                self._stack -= 1

    def _value(self):
        """Take a token where a value must stand; True if one is still wanted."""
        token = self._token
        if token == "-":
            self._wait((_UNARY, ops.NEG))
        elif token == "not":
            if self._waiting and self._waiting[-1][0] > _NOT:
                self._refuse("parentheses around not")
            self._wait((_NOT, ops.NOT))
        elif token == "(":
            self._wait((0, None, 1))
        elif token in _FUNCTIONS:
            self._next()
            if self._token != "(":
                self._refuse('"("')
            self._wait((0, token, 1))
        elif token and _in_word(token[0]) and token not in _BINARY:
            number = _number(token)
            if number is None:
                self._point(token)
            else:
                self._push(ops.CONST, self._constant(number))
            self._next()
            return False
        else:
            self._refuse("a number, a point as unit.point, a function or (")
        self._next()
        return True

    def _operator(self):
        strength, op = _BINARY[self._token]
        compares = strength == _COMPARES
        self._settle(strength + 1 if compares else strength)
        if compares and self._waiting and self._waiting[-1][0] == _COMPARES:
            self._refuse("one comparison; join two by and")
        self._wait((strength, op))
        self._next()

    def _comma(self):
        self._settle(1)
        if not self._waiting or not self._waiting[-1][1]:
            self._refuse('")"' if self._waiting else "an operator or the end")
        _, name, count = self._waiting.pop()
        _, largest, op = _FUNCTIONS[name]
        if count == largest:
            self._refuse("%d argument%s of %s" % (largest, "" if largest == 1 else "s", name))
        if count > 1:
            self._fold(op)
        self._waiting.append((0, name, count + 1))
        self._next()

    def _close(self):
        self._settle(1)
        if not self._waiting:
            self._refuse("an operator or the end")
        _, name, count = self._waiting.pop()
        if name:
            least, _, op = _FUNCTIONS[name]
            if count < least:
                self._refuse('"," and %d arguments of %s' % (least, name))
            self._fold(op)
            if op == ops.BIT:
                self._put(op)
                self._stack -= 1
            elif op == ops.ABS:
                self._put(op)
            elif op == ops.PREV or op == ops.HYST:
                self._put(op, self._slots)
                self._slots += 1
                self._stack -= 2 if op == ops.HYST else 0
        self._next()

    def _fold(self, op):
        # The arguments of min and max become one number as soon as there are two.
        if op == ops.MIN or op == ops.MAX:
            self._put(op)
            self._stack -= 1

    def _point(self, name):
        found = self._resolve(name)
        if found is None:
            what = "a point as unit.point"
            if "-" in name:
                what += " (to subtract, put a space before the -)"
            self._refuse(what)
        index, scale, offset = found
        if index > 255:
            self._refuse("256 points in all expressions")
        if index not in self._needs:
            self._needs.append(index)
        self._push(ops.LOAD, index)
        for number, op, neutral in ((scale, ops.MUL, 1), (offset, ops.ADD, 0)):
            if number != neutral:
                self._push(ops.CONST, self._constant(number))
                self._put(op)
                self._stack -= 1

    # Code

    def _constant(self, number):
        for i, known in enumerate(self._constants):
            if known == number and type(known) is type(number):
                return i
        self._constants.append(number)
        return len(self._constants) - 1

    def _push(self, op, operand):
        self._stack += 1
        if self._stack > MAX_STACK:
            self._refuse("a simpler expression: %d numbers wait here" % MAX_STACK)
        self._put(op, operand)

    def _put(self, op, operand=None):
        self._code.append(op)
        if operand is not None:
            self._code.append(operand)
        if len(self._code) > _MAX_CODE:
            self._refuse("a shorter expression (%d bytes of operations)" % _MAX_CODE)


def _in_word(char):
    return char.isalpha() or char.isdigit() or char in "_."


def _word_end(text, at):
    # Names may contain -, numbers an exponent: in both it stands between characters of the word.
    start = at
    is_name = not (text[at].isdigit() or text[at] == ".")
    while at < len(text):
        char = text[at]
        if not _in_word(char):
            exponent = not is_name and text[at - 1] in "eE" and text[start : at - 1].replace(".", "").isdigit()
            sign = char == "-" or (char == "+" and exponent)
            if not (sign and (is_name or exponent) and at + 1 < len(text) and _in_word(text[at + 1])):
                break
        at += 1
    return at


def _number(word):
    """The number that a word is, or None. No inf, no nan: those are names."""
    if not (word[0].isdigit() or word[0] == ".") or "_" in word:
        return None
    try:
        if word[:2] in ("0x", "0X"):
            return int(word[2:], 16)
        return int(word) if word.isdigit() else float(word)
    except ValueError:
        return None
