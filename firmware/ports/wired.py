"""Ethernet of the rp2 (WIZNET5K) and esp32 (LAN) boards: the chip and DHCP do everything by themselves.

Promises: `up()` never waits. With the WIZnet chip an address that DHCP gave stays when the cable is pulled; lwIP goes
on with it when the cable is back.
"""

from ports.sockets import set_address


class Wired:
    """nic: a network.LAN or network.WIZNET5K, not active yet; address: see ports.sockets.set_address."""

    def __init__(self, nic, address):
        self._nic = nic
        nic.active(True)
        set_address(nic, address)
        self.up = nic.isconnected

    def address(self):
        """(address, netmask, gateway, name server)."""
        return self._nic.ifconfig()

    @staticmethod
    def signal_dbm():
        """None: there is no signal strength on a cable."""
        return None

    def text(self):
        """A few words for a person."""
        return "Ethernet, " + ("address held" if self._nic.isconnected() else "no cable or no address")
