"""A new Wi-Fi password is wrong, bus settings are wrong: nobody can reach the box or nothing answers, nobody confirms,
and after ten minutes the box comes back by itself. The gateway's own watch over the trial and the real revisions run in
virtual time, with the real Wi-Fi port and bus engine. (A moved broker: host_tests/e2e.)

A life is one run of the box: `revisions.start` says which configuration it uses; it ends as the gateway ends it.
"""

import json
import os

from board_modules import FakeWLAN, Modules
from clock import Clock, VirtualLoop
from gateway import revisions
from gateway.app import Gateway, Restart
from line import Unit
from modbus.codes import GOOD
from rig import Rig, unit

HEAP_KB = 16000
TRIAL_S = 600
HOUR_MS = 3600000


class Box:
    """What `Gateway._change` sees of the gateway."""

    def __init__(self, clock, trial_s):
        self.clock = clock
        self.uptime = self
        self.started_ms = self.ms()
        self.trial_s = trial_s
        self.buses = []
        self.lamp = self.production = None
        self.keeper = self
        self._ending = None
        self.written = False

    def ms(self):
        return self.clock.us // 1000

    async def write_all(self, sleep_ms):
        self.written = True


def put(halves, folder=""):
    for name, tree in halves.items():
        with open((folder and folder + "/") + name + ".json", "w") as file:
            json.dump(tree, file)


def fresh(halves):
    """A box with this configuration and nothing else."""
    for name in ("now", "now.new"):
        try:
            os.remove(revisions.FOLDER + "/" + name)
        except OSError:
            pass
    revisions.forget_candidate()
    put(halves)


def commit(halves):
    revisions.edit()
    put(halves, revisions.EDIT)
    revisions.note_change("test")
    return revisions.commit("ot", "-", TRIAL_S)


def life(clock, loop, make, look, limit_ms):
    """One run. make(half trees): the part that may be cut off; look(part): called every 250 ms, True for alive.
    Returns (revision, how long it was alive in ms, how long the run took in ms, True if it ended by itself)."""
    folder, trial_s, _ = revisions.start()
    trees = {}
    for half in ("ot", "it"):
        with open((folder and folder + "/") + half + ".json") as file:
            trees[half] = json.load(file)
    part = make(trees)
    box = Box(clock, trial_s)
    ended = []

    async def watch():
        try:
            await Gateway._change(box, loop.sleep_ms)
        except Restart:
            ended.append(True)

    loop.spawn(watch())
    alive_ms = 0
    begin_us = clock.us
    while not ended and clock.us - begin_us < limit_ms * 1000:
        loop.run_ms(250)
        alive_ms += 250 if look(part) else 0
    assert not ended or box.written, "the end of the run lost what was in RAM"
    return revisions.now().current, alive_ms, (clock.us - begin_us) // 1000, bool(ended)


def goes_back(clock, loop, good, bad, make, look):
    """The trial of `bad` ends by itself after its time, and `good` is alive again."""
    fresh(good)
    alive = life(clock, loop, make, look, 60000)
    assert alive[0] == 0 and alive[1] > 30000 and not alive[3], alive
    number = commit(bad)
    trial = life(clock, loop, make, look, HOUR_MS)
    assert trial[3] and trial[1] == 0, "the trial was alive: the test shows nothing"
    assert TRIAL_S * 1000 <= trial[2] <= TRIAL_S * 1000 + 2000, trial
    assert revisions.about(number)[-1] == "rolled back: nobody confirmed it in time"
    after = life(clock, loop, make, look, 60000)
    assert after[0] == 0 and after[1] > 30000 and not after[3], after
    return trial[2] // 1000


def test_a_wrong_wifi_password_goes_back():
    for port in ("rp2", "esp32"):
        clock = Clock()
        with Modules(port, clock):
            net_of = __import__("ports.%s.net" % port, None, None, ("Net",)).Net
            FakeWLAN.world = {"plant": ("right key", 2000)}

            def make(trees, net_of=net_of, clock=clock):
                return net_of({"kind": "wifi"}, trees["it"], clock)

            halves = []
            for key in ("right key", "wrong key"):
                network = {"wifi": [{"ssid": "plant", "key": key}], "address": None, "country": None}
                halves.append({"ot": {"any": 1}, "it": {"box": "fg-1", "network": network}})
            took_s = goes_back(clock, VirtualLoop(clock), halves[0], halves[1], make, lambda net: net.up())
            print("REPORT: wrong Wi-Fi password (%s port): the box was back after %d s" % (port, took_s))


def test_wrong_bus_settings_go_back():
    """The units do not answer at the address that was set; the same run of the trial as for a wrong baud rate."""
    clock = Clock(look_us=4)
    loop = VirtualLoop(clock)
    now = []

    def make(trees):
        rig = Rig([Unit(1)], [unit(trees["ot"]["unit_id"], ((0, 10, 5000),))])
        now[:] = [rig, 0]
        return rig

    def look(rig):
        rig.run_ms(250)  # it has a clock of its own
        good = len([1 for result in rig.results if result[1] == GOOD])
        del rig.results[:]
        now[1] = 40 if good else now[1] - 1  # alive: a good reply within the last 10 s
        return now[1] > 0

    halves = [{"ot": {"unit_id": number}, "it": {"any": 1}} for number in (1, 9)]
    took_s = goes_back(clock, loop, *halves, make, look)
    print("REPORT: wrong bus settings: the box was back after %d s" % took_s)


def test_confirm_ends_the_watch():
    """The control: a configuration that was confirmed stays, whatever it is."""
    sound = {"ot": {"any": 1}, "it": {"any": 1}}
    fresh(sound)
    clock = Clock()
    loop = VirtualLoop(clock)
    number = commit(sound)

    def look(part):
        if revisions.on_trial():
            revisions.confirm()
        return True

    first = life(clock, loop, lambda trees: None, look, 1000)
    assert first[0] == number
    again = life(clock, loop, lambda trees: None, look, HOUR_MS // 4)
    assert again[0] == number and not again[3]
