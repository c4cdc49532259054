"""What a word with a typing mistake was meant to be. Loaded for the moment in which somebody made one."""


def nearest(word, words):
    """The one of `words` that a typing mistake may have made `word` of (at most two letters away), or None."""
    best, found = 3, None
    for other in words:
        if other.lower() == word.lower():
            return other
        if abs(len(other) - len(word)) < best:
            away = _distance(word, other, best)
            if away < best:
                best, found = away, other
    return found


def _distance(a, b, limit):
    # Levenshtein's, row by row; ends when the row's least reaches the limit.
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        last, row[0] = row[0], i + 1
        for j, y in enumerate(b):
            last, row[j + 1] = row[j + 1], min(last + (x != y), row[j] + 1, row[j + 1] + 1)
        if min(row) >= limit:
            return limit
    return row[-1]
