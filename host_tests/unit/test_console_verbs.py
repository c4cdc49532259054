"""What a mistyped verb is answered with: the verb that one slip may have made it of, or help; what is said of verbs."""

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


def test_what_is_said_of_verbs_names_verbs():
    for words in (verbs.NOT_BLANK, verbs.UNLOCKED, verbs.ALONE, verbs.ACTING):
        assert set(words.split()) <= set(verbs.MODULES), words


def test_what_changes_the_box_is_never_run_again_by_more():
    acting = set(verbs.ACTING.split())
    assert {name for name, module in verbs.MODULES.items() if module == "change"} - acting == {"diff", "check"}
    assert {name for name, module in verbs.MODULES.items() if module == "people"} - acting == {"who", "audit"}
    assert {name for name, module in verbs.MODULES.items() if module == "edit"} - acting == {"show", "dump"}
