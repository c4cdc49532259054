"""How many registers a type takes; for the start, which drops it."""


def words_of(type_name):
    """Registers (or bits, for bool) that a point of this type occupies."""
    if type_name.startswith("string"):
        return int(type_name[6:]) // 2
    end = type_name[-2:]
    return 4 if end == "64" else 2 if end == "32" else 1
