"""Anomaly watch: is a number where it usually is in this state of the machine? DESIGN.md says what it cannot see.

It learns mean and spread of a point, for each state of the machine by itself, from the good samples of a stated time
in that state; then they stand still, so that a slow drift shows as well. The score of a number is its distance from the
mean in spreads. Single precision is enough: numbers count from the first one, and no sum is longer than 16384.
"""

from array import array

MAX_STATES = 8
MIN_SAMPLES = 30
_MAX_SAMPLES = 16384  # from there on older ones fade: a float32's mean would not move any more
_MAX_STEP_MS = 60000  # longer gaps do not count as learned time
_BACK = 0.75  # part of the score limit below which a number is usual again


class Watch:
    """inputs, state: where the state of the machine comes from, -1: there is only one. least: smallest spread that
    counts, raw. number: makes a float of a raw distance (tests hand in one that rounds to single precision)."""

    def __init__(self, inputs, state, learn_s, score, least, settle_ms, number=float):
        self._inputs = inputs
        self._state = state
        self._learn_ms = learn_s * 1000
        self._score = score
        self._least = least
        self._settle_ms = settle_ms
        self._number = number
        self._states = []  # numbers of the states seen, at most MAX_STATES
        self._mean = array("f")
        self._squares = array("f")  # while learning: sum of squared distances from the mean; then: the spread
        self._count = array("H")  # 0: learned
        self._learned = array("I")  # ms
        self._base = []  # the first number of each
        self._now = -1  # place of the state that holds
        self._since = 0
        self._at = 0
        self.score = None  # of the newest number, None while it is not known
        self.news = False  # something was learned that is to be kept

    def judge(self, clock, value, ticks_ms):
        """(it is unusual, it is usual) of a good number; neither while it is learned or in between."""
        self.score = None
        state = 0 if self._state < 0 else self._inputs.values[self._state]
        step_ms = clock.ticks_diff(ticks_ms, self._at)
        self._at = ticks_ms
        place = self._place_of(state, value)
        if place != self._now:
            self._now = place
            self._since = ticks_ms
            return False, False
        if place < 0:
            return False, False
        if self._settle_ms:
            if self._since is not None and clock.ticks_diff(ticks_ms, self._since) < self._settle_ms:
                return False, False
            self._since = None
        away = self._number(value - self._base[place])
        if self._count[place]:
            self._learn(place, away, step_ms)
            return False, False
        away = abs(away - self._mean[place])
        spread = self._squares[place]
        limit = self._score * spread
        self.score = away / spread
        return away > limit, away < limit * _BACK

    def learned(self):
        """True when the state that holds is known."""
        return self._now >= 0 and not self._count[self._now]

    def kept(self):
        """[(state, base, mean, spread)] of what was learned, for a file."""
        found = []
        for i, state in enumerate(self._states):
            if not self._count[i]:
                found.append((state, self._base[i], self._mean[i], self._squares[i]))
        return found

    def restore(self, state, base, mean, spread):
        """One of what `kept` gave."""
        if len(self._states) < MAX_STATES and state not in self._states and spread > 0:
            self._add(state, base)
            self._mean[-1] = mean
            self._squares[-1] = spread
            self._count[-1] = 0

    def forget(self):
        """Learn everything anew."""
        self._states.clear()
        self._base.clear()
        self._mean, self._squares, self._count, self._learned = array("f"), array("f"), array("H"), array("I")
        self._now = -1
        self.news = True

    def _place_of(self, state, value):
        if state is None:
            return -1
        if state not in self._states:
            if len(self._states) == MAX_STATES:
                return -1
            self._add(state, value)
        return self._states.index(state)

    def _add(self, state, base):
        self._states.append(state)
        self._base.append(base)
        self._mean.append(0.0)
        self._squares.append(0.0)
        self._count.append(1)
        self._learned.append(0)

    def _learn(self, place, away, step_ms):
        # Welford's update; the count begins at 1.
        count = self._count[place]
        mean = self._mean[place]
        step = away - mean
        mean += step / count
        self._mean[place] = mean
        squares = self._squares[place] + step * (away - mean)
        if count < _MAX_SAMPLES:
            self._count[place] = count + 1
        else:
            squares -= squares / count
        self._squares[place] = squares
        learned = self._learned[place] + min(max(step_ms, 0), _MAX_STEP_MS)
        self._learned[place] = learned
        if learned >= self._learn_ms and count >= MIN_SAMPLES:
            least = max(self._least, abs(mean) * 1e-6, 1e-30)
            self._squares[place] = max((squares / (count - 1)) ** 0.5, least)
            self._count[place] = 0
            self.news = True
