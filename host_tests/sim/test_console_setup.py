"""Set-up of the IT side with networks and brokers that behave badly: what is typed, what is said, what is written."""

import json

from clock import Clock
from console import devices, links, outside, setup, verbs

HEAP_KB = 4000


class Link:
    """A radio with two access points; joins what the IT half names if the key is right."""

    def __init__(self, it):
        wanted = it["network"]["wifi"]
        self.joined = bool(wanted) and wanted[0] == {"ssid": "plant", "key": "right key"}

    @staticmethod
    def networks():
        return [("plant", -52, False), ("guests", -80, True)]

    def text(self):
        return "Wi-Fi plant, -52 dBm" if self.joined else "Wi-Fi plant: wrong key"


class Net:
    def __init__(self, it):
        self.link = Link(it)

    def up(self):
        return self.link.joined

    @staticmethod
    def dns_servers():
        return []


class Shell:
    """A blank box without a UTC."""

    chip = "0123456789ABCDEF"
    log = None

    def __init__(self):
        self.gateway = self
        self.clock = Clock()
        self.clock.set_utc_ms(1795784591000)
        self.make_net = Net


def play(answers, outcomes):
    """(what was said, it.json) when these answers are given and trying a broker ends so."""
    outcomes = list(outcomes)

    def attempt(gateway, net, it):
        yield None
        return outcomes.pop(0)

    real, links.attempt = links.attempt, attempt
    said = []
    answers = list(answers)
    steps = outside.it_side(Shell(), "it.json")
    reply = None
    try:
        while True:
            piece = steps.send(reply)
            reply = None
            if isinstance(piece, verbs.Ask):
                said.append(piece.text)
                reply = answers.pop(0)
            elif isinstance(piece, str):
                said.append(piece)
    except StopIteration:
        pass
    finally:
        links.attempt = real
    assert not answers and not outcomes, "not all was asked for"
    assert all([len(line) <= 78 for line in said]), said
    with open("it.json") as file:
        return said, json.load(file)




def prepare():
    import os

    for path in ("config", "config/edit"):
        try:
            os.mkdir(path)
        except OSError:
            pass  # from the test before


PLACE = "acme/lyon/press-shop/line-1/cell-3/press-7"


def test_everything_right_takes_three_entries():
    prepare()
    said, it = play([PLACE, "1 right key", "10.0.0.5"], [""])
    assert "  1  plant                             -52 dBm good" in said, said
    assert "  2  guests                            -80 dBm weak, open" in said, said
    assert "5 network: Wi-Fi plant, -52 dBm" in said and "broker 10.0.0.5:1883: connected" in said, said
    assert it["box"] == "fg-89abcdef" and it["place"]["asset"] == "press-7"
    assert it["network"]["wifi"] == [{"ssid": "plant", "key": "right key"}]
    assert it["mqtt"] == {"brokers": [{"host": "10.0.0.5", "port": 1883}], "user": None, "password": None}


def test_mistakes_are_told_and_asked_again():
    prepare()
    answers = ["acme/lyon", "acme/lyon/a/b/c/+", PLACE, "plant wrong key", "", "plant right key",
               "10.0.0.5.6", "10.0.0.5 99999", "broker.plant 8883 tls", "10.0.0.5", "box7", "secret"]  # fmt: skip
    wrong = "broker.plant: the name servers do not know broker.plant"
    said, it = play(answers, [wrong, "refused the login: not authorised", ""])
    text = "\n".join(said)
    for words in (
        "that has 2 parts, needed are 6",
        'asset: found "+"',
        "!  network: Wi-Fi plant: wrong key: not up",
        "no name or address; for example",
        "port: found 99999, allowed 1..65535",
        "the name is wrong, or lives in another network",
        "!  refused the login: not authorised",
    ):
        assert words in text, (words, text)
    assert it["mqtt"]["user"] == "box7" and it["mqtt"]["password"] == "secret"
    assert it["mqtt"]["brokers"] == [{"host": "10.0.0.5", "port": 1883}]


def test_a_broker_that_is_not_there_yet_can_be_kept():
    prepare()
    said, it = play([PLACE, "1 right key", "10.0.0.9 8883 tls", "keep"], ["no connection within 5000 ms"])
    assert "   nothing answers: address, route, firewall or port are wrong" in said, said
    assert it["mqtt"]["brokers"] == [{"host": "10.0.0.9", "port": 8883, "tls": {"ca": "ca.der"}}]


def test_every_reason_of_the_session_has_a_next_step():
    from uplink.reasons import refusal

    for text in ("the name servers do not know x", "connection refused", "no connection within 5000 ms",
                 "answers with TLS: needs tls", "closed without CONNACK (TLS port?)", "clock is not set",
                 "certificate expired", "certificate is for another host", "ca.der: no such file", "network is down",
                 refusal(4), refusal(5), "host unreachable", "network unreachable"):  # fmt: skip
        assert links.hint(text), text
        assert len("   " + links.hint(text)) <= 78, text


def test_a_choice_of_a_device_is_said():
    unit = devices.Device(4, {})
    unit.choices = [("profiles/acme-m1.json", "Acme M1", "its values fit", [])]
    found = [[unit, 0]]
    assert setup._choose(found, ["4", "none"]) == "unit 4: left out" and found[0][1] == -2
    assert setup._choose(found, ["4", "acme-m1"]) == "unit 4: acme-m1" and found[0][1] == 0
    for words in (["5", "none"], ["4", "acme"], ["4"], ["x", "none"]):
        try:
            setup._choose(found, words)
            raise AssertionError(words)
        except (ValueError, IndexError):
            pass
