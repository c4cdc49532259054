"""The emulated Wi-Fi's gateway, 10.0.0.1, stands for this host: TCP and UDP to it go to 127.0.0.1.

The emulator has the radio chip, an open access point that takes any name and key, DHCP and the transport of TCP and UDP
to sockets of this host; what those do takes no virtual time.
"""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from rp2040py.external.cyw43 import nat

HOST = "10.0.0.1"


def lead_to_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """For every Pico W that is made from now on."""
    text_of = nat._ip_to_str

    def text(address: bytes) -> str:
        return "127.0.0.1" if address == nat.GATEWAY_IP else text_of(address)

    monkeypatch.setattr(nat, "_ip_to_str", text)
    end = asyncio.StreamWriter.write_eof

    def write_eof(writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):  # the peer went away before: the emulator would stop
            end(writer)

    monkeypatch.setattr(asyncio.StreamWriter, "write_eof", write_eof)
