"""`wifi scan` holds everything for 3 s: it says so and asks first, in full where a unit acts when it is not asked; the
pause is counted as hold, and polling goes on after it, whatever happens."""

from console import links
from line import Unit
from modbus.codes import COMM_LOSS_RISK, PAUSE_HOLD
from rig import Rig, unit

HEAP_KB = 16000
SCAN_MS = 3000


class Thing:
    def __init__(self, **values):
        for name in values:
            setattr(self, name, values[name])


class Shell:
    """A gateway with one polled bus and a radio that takes its time."""

    def __init__(self, **settings):
        self.rig = Rig([Unit(1)], [unit(1, ((0, 2, 500),), **settings)])
        self.rig.run_ms(3000)
        self.scans = 0
        self.fails = False
        link = Thing(networks=self.networks, text=lambda: "Wi-Fi hall, -60 dBm", signal_dbm=lambda: -60)
        self.gateway = Thing(net=Thing(link=link), buses=[self.rig.bus])
        self.needed = []

    def need(self, half):
        self.needed.append(half)

    def networks(self):
        assert self.rig.bus.granted(PAUSE_HOLD), "the radio was asked while a reply could come"
        self.scans += 1
        self.rig.clock.advance_ms(SCAN_MS)
        if self.fails:
            raise OSError(5)
        return [("plant", -50, False), ("guests", -80, True)]

    def play(self, answer):
        said = []
        steps = links.wifi(self, ["scan"])
        reply = None
        while True:
            try:
                piece = steps.send(reply)
            except StopIteration:
                return said
            reply = None
            if isinstance(piece, str):
                said.append(piece)
            elif isinstance(piece, int):
                self.rig.run_ms(piece)
            else:
                said.append(piece.text)
                reply = answer

    def polls(self):
        before = len(self.rig.results)
        self.rig.run_ms(3000)
        return len(self.rig.results) - before >= 5 and not self.rig.bus._asked


def test_a_scan_is_asked_for_counted_and_over():
    shell = Shell()
    said = shell.play("y")
    assert said[2] == "polling stops for about 3 s. Go on? y: " and shell.needed == ["it"]
    assert said[3].split() == ["plant", "-50", "dBm", "good"] and said[4].endswith("weak, open")
    assert SCAN_MS <= shell.rig.bus.pause_ms[PAUSE_HOLD] < SCAN_MS + 100
    assert shell.polls() and max([len(line) for line in said]) <= 78


def test_nothing_happens_without_a_yes():
    for answer in (None, "", "n"):
        shell = Shell()
        assert shell.play(answer)[-1].endswith("y: ") and not shell.scans and shell.polls()


def test_a_unit_that_acts_when_it_is_not_asked_wants_the_whole_word():
    shell = Shell(comm_loss_ms=2000)
    said = " ".join(shell.play("y"))
    assert "u1 (1) acts when nobody asks it for 2000 ms" in said and said.endswith("Go on? yes: ")
    assert not shell.scans and shell.polls()
    shell.rig.events.clear()
    shell.play("yes")
    assert shell.scans == 1 and (COMM_LOSS_RISK, 1, 600000) in shell.rig.events and shell.polls()
    shell = Shell(comm_loss_ms=60000)
    shell.play("y")
    assert shell.scans == 1


def test_polling_goes_on_when_the_radio_fails():
    shell = Shell()
    shell.fails = True
    try:
        shell.play("y")
        raise AssertionError("the failure was not told")
    except OSError:
        pass
    assert shell.polls()
