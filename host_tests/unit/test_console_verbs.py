"""What a mistyped verb is answered with: the verb that one slip may have made it of, or help."""

from console import verbs


def test_every_slip_of_one_letter_is_understood():
    for name in verbs.MODULES:
        slips = [name[:i] + name[i + 1 :] for i in range(len(name))]  # a letter is missing
        slips += [name[:i] + "#" + name[i:] for i in range(len(name) + 1)]  # one too many
        slips += [name[:i] + "#" + name[i + 1 :] for i in range(len(name))]  # a wrong one
        slips += [name[:i] + name[i + 1] + name[i] + name[i + 2 :] for i in range(len(name) - 1)]  # two are swapped
        for slip in slips:
            assert verbs.hint(slip).startswith("did you mean "), slip
            close = [other for other in verbs.MODULES if verbs._is_near(other, slip)]
            assert name in close, (slip, close)


def test_what_is_no_slip_gets_help():
    for word in ("", "x", "frob", "statusstatus", "tatsus", "#####", "confirmation"):
        assert verbs.hint(word) == "type help", word
