"""The LED's code: blinks count, the worst fault wins, and a change begins with the next code."""

from gateway.lamp import Lamp


class Thing:
    def __init__(self, **values):
        for name in values:
            setattr(self, name, values[name])


class Led:
    def __init__(self):
        self.on = False
        self.sets = 0

    def set(self, on):
        self.on = on
        self.sets += 1


def make():
    gateway = Thing(
        log=Thing(stats=Thing(dropped=0)),
        recorder=Thing(dropped_total=0),
        buses=[Thing(scheduler=Thing(fault=False, quarantined=0)), Thing(scheduler=Thing(fault=False, quarantined=0))],
        session=Thing(ready=True),
        net=Thing(up=lambda: True),
    )
    led = Led()
    return Lamp(led, gateway), led, gateway


def blinks(lamp, led, steps):
    """How often the LED goes on in so many steps, as a person counts."""
    count = 0
    before = led.on
    for _ in range(steps):
        lamp.step()
        count += led.on and not before
        before = led.on
    return count


def test_steady_light_costs_one_change():
    lamp, led, _ = make()
    blinks(lamp, led, 100)
    assert led.on and led.sets == 1


def test_every_fault_has_its_number_of_blinks_and_the_worst_wins():
    lamp, led, gateway = make()

    def network():
        gateway.session.ready = False
        gateway.net.up = lambda: False

    def broker():
        gateway.net.up = lambda: True

    def unit():
        gateway.buses[1].scheduler.quarantined = 1

    def line():
        gateway.buses[0].scheduler.fault = True

    def lost():
        gateway.recorder.dropped_total = 1

    for number, fault in ((1, network), (2, broker), (3, unit), (4, line), (5, lost)):
        fault()
        for _ in range(40):  # to the end of the code before
            lamp.step()
            if lamp._phase == 0:
                break
        period = 2 * number + 6
        lamp.step()
        assert lamp.code == number
        seen = 1 + blinks(lamp, led, period - 1)
        assert seen == number and not led.on, (number, seen)
        assert blinks(lamp, led, 3 * period) == 3 * number


def test_a_fault_that_is_over_is_not_shown():
    lamp, led, gateway = make()
    gateway.session.ready = False
    blinks(lamp, led, 20)
    gateway.session.ready = True
    blinks(lamp, led, 20)
    assert led.on and lamp.code == 0 and blinks(lamp, led, 50) == 0


def test_what_was_lost_before_the_start_hides_no_fault_of_now():
    lamp, led, gateway = make()
    gateway.log.stats.dropped = 1000
    gateway.session.ready = False
    blinks(lamp, led, 100)
    assert lamp.code == 2
    gateway.log.stats.dropped = 1001
    blinks(lamp, led, 100)
    assert lamp.code == 5
