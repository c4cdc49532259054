"""The ports of the boards over stand-ins of their modules: driver pin, Wi-Fi, Ethernet, sockets, watchdog, chip."""

import errno

from board_modules import (
    ChipReset,
    FakeNic,
    FakePin,
    FakeSocket,
    FakeTimer,
    FakeUART,
    FakeWDT,
    FakeWLAN,
    Modules,
    WatchdogBite,
)
from clock import Clock as FakeClock

ESP_WIRING = {"uart": 2, "tx": 17, "rx": 16, "de": 4, "de_active": 1}
RP2_WIRING = {"uart": 0, "tx": 0, "rx": 1, "de": 2, "de_active": 0}


def it_half(wifi=(), address=None, country=None):
    return {"box": "fg-1", "network": {"wifi": list(wifi), "address": address, "country": country}}


def raises(kind, call, *arguments):
    try:
        call(*arguments)
    except kind as error:
        return error
    raise AssertionError("nothing was raised")


def advance(clock, milliseconds):
    """Let time pass in steps of 10 us around what timers want."""
    for _ in range(milliseconds * 100):
        clock.advance_us(10)
        FakeTimer.last.pass_time()


# RS-485


def test_esp32_driver_is_on_for_the_frame_and_off_when_it_has_left():
    clock = FakeClock()
    with Modules("esp32", clock):
        from ports.esp32.uart_rs485 import Rs485

        port = Rs485(ESP_WIRING, 19200, "8E1")
        start = clock.ticks_us()
        port.send(bytearray(8))
        while not FakePin.edges[-1][2:] == (0,):
            assert port.available() == 0
            clock.advance_us(20)
        levels = [(level, clock.ticks_diff(us, start)) for us, pin, level in FakePin.edges if pin == 4]
        assert [level for level, _ in levels] == [0, 1, 0]
        frame_us = 8 * FakeUART.last.char_us
        assert levels[1][1] == 0 and frame_us <= levels[2][1] <= frame_us + 40, levels


def test_esp32_driver_falls_by_the_timer_when_nobody_looks():
    clock = FakeClock()
    with Modules("esp32", clock):
        from ports.esp32.uart_rs485 import Rs485

        port = Rs485(ESP_WIRING, 9600, "8N1")
        start = clock.ticks_us()
        port.send(bytearray(8))
        advance(clock, 12)
        us, pin, level = FakePin.edges[-1]
        assert (pin, level) == (4, 0)
        assert 8 * FakeUART.last.char_us <= clock.ticks_diff(us, start) < 8 * FakeUART.last.char_us + 2500
        port.close()


def test_rp2_driver_falls_in_the_hard_timer():
    clock = FakeClock()
    with Modules("rp2", clock):
        from ports.rp2.uart_rs485 import Rs485

        port = Rs485(RP2_WIRING, 115200, "8N1")
        start = clock.ticks_us()
        port.send(bytearray(8))
        assert FakePin.edges[-1][1:] == (2, 0), "active low"
        advance(clock, 2)
        us, pin, level = FakePin.edges[-1]
        assert (pin, level) == (2, 1)
        assert 0 <= clock.ticks_diff(us, start) - 8 * FakeUART.last.char_us <= 20


def test_pins_that_a_transceiver_needs_high_are_held():
    with Modules("esp32", FakeClock()):
        from ports.esp32.uart_rs485 import Rs485

        Rs485({"uart": 2, "tx": 22, "rx": 21, "de": None, "high": (16, 17, 19)}, 9600, "8N1")
        assert [edge[1:] for edge in FakePin.edges] == [(16, 1), (17, 1), (19, 1)]


def test_both_ports_receive_without_waiting_and_the_fifo_has_an_end():
    for name, wiring in (("esp32", ESP_WIRING), ("rp2", RP2_WIRING)):
        with Modules(name, FakeClock()):
            rs485 = __import__("ports.%s.uart_rs485" % name, None, None, ("Rs485",)).Rs485
            port = rs485(wiring, 9600, "8N1")
            buf = bytearray(16)
            assert port.available() == 0
            FakeUART.last.arrive(b"abcdefgh")
            assert port.receive_into(buf, 3) == 3 and buf[:3] == b"abc"
            assert port.available() == 5
            assert port.receive_into(buf, 5) == 5 and buf[:5] == b"defgh"
            FakeUART.last.arrive(bytes(5000))
            assert FakeUART.last.lost > 3000, "nothing here may hide an overrun"
            assert port.discard() >= 256 and port.available() == 0


def test_a_pin_of_another_uart_is_refused():
    with Modules("rp2", FakeClock()):
        from ports.rp2.uart_rs485 import Rs485

        raises(ValueError, Rs485, {"uart": 1, "tx": 0, "rx": 1, "de": None}, 9600, "8N1")


# Wi-Fi


def join(clock, net, milliseconds):
    """Ask up() every 10 ms until it is True or the time is over; returns the time that took or None."""
    for step in range(milliseconds // 10):
        if net.up():
            return step * 10
        clock.advance_ms(10)
    return None


def wifi(port, clock, networks, world, **more):
    FakeWLAN.world = world
    net = __import__("ports.%s.net" % port, None, None, ("Net",)).Net
    return net({"kind": "wifi"}, it_half([{"ssid": n, "key": k} for n, k in networks], **more), clock)


def test_the_second_network_is_joined_when_the_first_is_not_there():
    for port in ("rp2", "esp32"):
        clock = FakeClock()
        with Modules(port, clock) as modules:
            net = wifi(port, clock, [("a", "1"), ("b", "2")], {"b": ("2", 2000)}, country="FR")
            took = join(clock, net, 20000)
            assert took is not None and took < 7000, took
            assert FakeWLAN.last.attempts == ["a", "b"] and net.link.connects == 1
            assert modules.network.names == ["fg-1"] and modules.network.countries == ["FR"]
            assert "Wi-Fi b, -61 dBm" in net.link.text() and net.link.signal_dbm() == -61
            assert FakeWLAN.last.address == "dhcp" and net.dns_servers() == [("10.0.0.53", 53)]


def test_what_was_lost_is_tried_first_and_comes_back():
    for port in ("rp2", "esp32"):
        clock = FakeClock()
        with Modules(port, clock):
            net = wifi(port, clock, [("a", "1"), ("b", "2")], {"b": ("2", 500)})
            assert join(clock, net, 20000) is not None
            FakeWLAN.world = {}
            assert join(clock, net, 100000) is None
            attempts = FakeWLAN.last.attempts
            assert attempts[2] == "b", attempts
            FakeWLAN.world = {"a": ("1", 500)}
            assert join(clock, net, 80000) is not None and attempts[-1] == "a" and net.link.connects == 2


def test_pauses_grow_so_that_a_dead_network_costs_little():
    clock = FakeClock()
    with Modules("rp2", clock):
        net = wifi("rp2", clock, [("a", "1")], {})
        assert join(clock, net, 600000) is None
        # 3 s per attempt, then pauses of 1, 2, 5, 10, 30, 60, 60... s.
        assert 11 <= net.link.attempts <= 14, net.link.attempts
        assert net.link.text() in ("Wi-Fi a: not found", "Wi-Fi a: joining")


def test_a_wrong_key_is_told_and_an_empty_list_never_asks_the_radio():
    clock = FakeClock()
    with Modules("esp32", clock):
        net = wifi("esp32", clock, [("a", "wrong")], {"a": ("1", 500)})
        assert join(clock, net, 3100) is None and net.link.text() == "Wi-Fi a: wrong key"
        net = wifi("esp32", clock, [], {})
        assert join(clock, net, 5000) is None and FakeWLAN.last.attempts == []
        assert "network.wifi" in net.link.text()


def test_networks_in_reach_are_listed_strongest_first():
    for port in ("rp2", "esp32"):
        with Modules(port, FakeClock()):
            net = wifi(port, FakeClock(), [], {})
            assert net.link.networks() == [("plant", -50, False), ("guests", -60, True)]


def test_the_prompt_feeds_the_watchdog_for_at_most_15_minutes():
    for port in ("rp2", "esp32"):
        clock = FakeClock()
        with Modules(port, clock):
            prompt = __import__("ports.prompt", None, None, ("hold",))
            leave = prompt.hold(8000, port)
            with open("prompt.txt") as file:
                assert file.read(), "boot.py would not know of it after a soft reset"
            raises(ChipReset, lambda: repr(leave))
            raises(ChipReset, leave)
            for _ in range(900):
                clock.advance_ms(1000)
                FakeTimer.last.pass_time()
                FakeWDT.last.look()

            def forget():
                for _ in range(9):
                    clock.advance_ms(1000)
                    FakeTimer.last.pass_time()
                    FakeWDT.last.look()

            raises(WatchdogBite, forget)
            prompt.release()
            assert FakeTimer.last.callback is None


def test_a_fixed_address_is_set():
    address = {"ip": "10.0.0.7", "netmask": "255.255.255.0", "gateway": "10.0.0.1", "dns": "10.0.0.2"}
    with Modules("rp2", FakeClock()):
        wifi("rp2", FakeClock(), [("a", "1")], {}, address=address)
        assert FakeWLAN.last.address == ("10.0.0.7", "255.255.255.0", "10.0.0.1", "10.0.0.2")


# Ethernet, none


def test_ethernet_of_both_ports():
    lan = {"kind": "lan", "phy": "PHY_LAN8720", "phy_addr": 1, "mdc": 23, "mdio": 18, "power": 16}
    for port, settings in (("esp32", lan), ("rp2", {"kind": "wiznet5k"})):
        with Modules(port, FakeClock()):
            net = __import__("ports.%s.net" % port, None, None, ("Net",)).Net(settings, it_half(), FakeClock())
            nic = FakeNic.last
            assert nic.calls[0] == ("active", True)
            if port == "esp32":
                assert {n: getattr(v, "number", v) for n, v in nic.options.items()} == {
                    "phy_type": 42, "phy_addr": 1, "mdc": 23, "mdio": 18, "power": 16,
                }  # fmt: skip
            else:
                assert nic.calls[1] == ("ipconfig", {"dhcp4": True})
            assert not net.up()
            nic.cable = True
            assert net.up() and net.link.signal_dbm() is None and net.link.text() == "Ethernet, address held"


def test_a_board_without_network():
    with Modules("rp2", FakeClock()):
        from ports.rp2.net import Net

        net = Net({"kind": "none"}, it_half(), FakeClock())
        assert not net.up() and net.link is None


# Sockets


def test_a_connection_opens_sends_receives_and_ends():
    with Modules("rp2", FakeClock()):
        from ports.sockets import Stack

        FakeSocket.fate = "slow"
        connection = Stack(None).connect("192.168.1.5", 1883)
        sock = FakeSocket.last
        assert (6, 64, 1) in sock.options and connection.state() == 0
        FakeSocket.fate = "open"
        assert connection.state() == 1 and connection.state() == 1
        assert connection.write(b"x" * 900) == 900 and connection.write(b"y" * 300) == 100
        assert connection.write(b"z") == 0, "full: nothing is taken and nothing waits"
        buf = bytearray(8)
        assert connection.read_into(buf) == 0
        sock.inbox.append(b"hello")
        assert connection.read_into(buf) == 5 and buf[:5] == b"hello"
        sock.peer_closed = True
        assert raises(OSError, connection.read_into, buf).errno == errno.ECONNRESET
        connection.close()
        connection.close()


def test_a_refused_connection_and_a_name_raise():
    with Modules("esp32", FakeClock()):
        from ports.sockets import Stack

        FakeSocket.fate = "refused"
        connection = Stack(None).connect("localhost", 1883)
        assert raises(OSError, connection.state).errno == errno.ECONNREFUSED
        for host in ("broker.local", "1.2.3", "1.2.3.256", "1.2.3.x", ""):
            assert raises(OSError, Stack(None).connect, host, 1).errno == errno.EINVAL, host
        FakeSocket.fate = "open"


def test_datagrams_come_one_by_one():
    with Modules("rp2", FakeClock()):
        from ports.sockets import Stack

        datagram = Stack(None).datagram("10.0.0.53", 53)
        buf = bytearray(4)
        assert datagram.read_into(buf) == 0
        FakeSocket.last.inbox += [b"first one", b"second"]
        assert datagram.read_into(buf) == 4 and buf == b"firs"
        assert datagram.read_into(buf) == 4 and buf == b"seco"
        assert datagram.write(b"question") == 8
        datagram.close()


def test_a_listener_takes_who_knocks_and_never_waits():
    for port in ("rp2", "esp32"):
        with Modules(port, FakeClock()):
            from ports.sockets import Stack

            stack = Stack(FakeLink())
            listener = stack.listen(502)
            sock = FakeSocket.last
            assert sock.bound == ("0.0.0.0", 502) and not sock.blocking
            assert listener.accept() == (None, None)
            caller = FakeSocket(2, 1)
            sock.callers.append((caller, ("10.0.0.7", 50000)))
            connection, address = listener.accept()
            assert address == "10.0.0.7" and not caller.blocking and (6, 64, 1) in caller.options
            caller.inbox.append(b"abc")
            buf = bytearray(8)
            assert connection.read_into(buf) == 3 and connection.write(b"xy") == 2 and connection.state() == 1
            connection.close()
            connection.close()
            sock.callers.append(None)
            sock.broken = True
            assert raises(OSError, listener.accept).errno == errno.EIO
            listener.close()
            listener.close()
            assert raises(OSError, stack.listen, 80).errno == errno.EADDRINUSE and FakeSocket.last.closed == 1
            assert raises(OSError, Stack(None).listen, 502).errno == errno.ENODEV


class FakeLink:
    def up(self):
        return True


# Watchdog, LED, chip


def test_the_watchdog_bites_a_loop_that_stops():
    for port in ("rp2", "esp32"):
        clock = FakeClock()
        with Modules(port, clock):
            watchdog = __import__("ports.%s.watchdog" % port, None, None, ("Watchdog",)).Watchdog(8000, clock)
            for _ in range(20):
                clock.advance_ms(4000)
                FakeWDT.last.look()
                watchdog.feed()
            clock.advance_ms(8001)
            raises(WatchdogBite, FakeWDT.last.look)


def test_led_and_chip():
    for port in ("rp2", "esp32"):
        with Modules(port, FakeClock()):
            led = __import__("ports.%s.led" % port, None, None, ("Led",)).Led(2)
            led.set(True)
            led.set(False)
            assert [edge[1:] for edge in FakePin.edges] == [(2, 0), (2, 1), (2, 0)]
            chip = __import__("ports.%s.chip" % port, None, None, ("chip_id",))
            assert chip.chip_id() == "24d7eb0f1234" and chip.reset_cause() == "watchdog"
    with Modules("esp32", FakeClock()):
        from ports.esp32.led import Led

        Led(None).set(True)
        assert FakePin.edges == []
