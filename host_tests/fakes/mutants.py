"""Modules with one line changed, for tests of tests."""


class Mutant:
    """As long as it is entered, `names` of the module are those of a copy in which `new` stands for `old`."""

    def __init__(self, module, old, new, *names):
        with open(module.__file__) as file:
            text = file.read()
        assert text.count(old) == 1, (old, text.count(old))
        self._module = module
        self._made = {"__name__": "mutant", "__file__": module.__file__}
        exec(text.replace(old, new), self._made)
        self._names = names

    def __enter__(self):
        self._before = [getattr(self._module, name) for name in self._names]
        for name in self._names:
            setattr(self._module, name, self._made[name])

    def __exit__(self, *_):
        for name, value in zip(self._names, self._before):
            setattr(self._module, name, value)


def survives(test):
    """True if the test does not notice."""
    try:
        test()
    except AssertionError:
        return False
    return True
