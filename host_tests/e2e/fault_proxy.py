"""A TCP proxy between the client under test and a real broker; its faults have names and can be switched at any time.

Promises: byte streams are only delayed, slowed, held, cut, or (named) robbed of whole PUBACKs or damaged. It runs in a
thread of its own; attributes may be set from any thread, then call `apply()`.

    delay_ms        each way
    rate            bytes per second from client to broker, 0: no limit
    hold_answers    what the broker says waits
    silent          half-open: both directions take bytes that go nowhere; such a connection never works again
    refuse          new connections are reset
    drop_pubacks    number of PUBACKs that get lost
    cut_after       (bytes from the client, bytes from the broker): the connection is reset when one is reached;
                    it is taken from the iterator `cuts` at every new connection
    damage          function that gets each piece of what the broker says and returns what arrives
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future

TO_BROKER, TO_CLIENT = 0, 1
_PIECES_PER_S = 50  # a limited rate goes out in so many pieces


class FaultProxy:
    """See the head of this file. `with FaultProxy(port) as proxy: proxy.port ...`"""

    def __init__(self, broker_port: int) -> None:
        self.broker_port = broker_port
        self.port = 0
        self.delay_ms = 0.0
        self.rate = 0
        self.hold_answers = self.silent = self.refuse = False
        self.drop_pubacks = 0
        self.damage: Callable[[bytes], bytes] | None = None
        self.cuts: Iterator[tuple[int, int]] = iter(())
        self.connections = self.resets = self.pubacks_dropped = 0
        self.bytes = [0, 0]
        self.chunks = [0, 0]
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        self._call(self._open()).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close()).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def apply(self) -> None:
        """Let changed attributes act on the connections that exist."""
        self._call(self._apply()).result(10)

    def reset_all(self) -> None:
        """Reset every connection now."""
        self._call(self._reset_all()).result(10)

    def _call(self, coroutine: object) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)  # type: ignore[arg-type]

    async def _open(self) -> None:
        self._server = await self._loop.create_server(lambda: _Link(self, self._loop).client, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        await self._reset_all()
        await asyncio.sleep(0)

    async def _apply(self) -> None:
        for link in list(self._links):
            link.apply()

    async def _reset_all(self) -> None:
        for link in list(self._links):
            link.reset()


class _End(asyncio.Protocol):
    """One socket of a link."""

    def __init__(self, link: _Link, direction: int) -> None:
        self.link = link
        self.direction = direction  # of what this end receives
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.link.opened(self)

    def data_received(self, data: bytes) -> None:
        self._acknowledge_at_once()
        self.link.received(self.direction, data)

    def _acknowledge_at_once(self) -> None:
        """Brokers send with Nagle's algorithm (mosquitto by default): the next small packet waits until the last one
        is acknowledged, which Linux delays by up to 40 ms. The proxy is to add only the delays that it was told."""
        option = getattr(socket, "TCP_QUICKACK", None)
        if option is not None and self.transport is not None:
            self.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, option, 1)

    def connection_lost(self, _: Exception | None) -> None:
        self.link.ended(self.direction)


class _Link:
    """One connection through the proxy."""

    def __init__(self, proxy: FaultProxy, loop: asyncio.AbstractEventLoop) -> None:
        self.proxy = proxy
        self.loop = loop
        self.client = _End(self, TO_BROKER)
        self.broker = _End(self, TO_CLIENT)
        self.queues: tuple[deque[tuple[float, bytes]], deque[tuple[float, bytes]]] = (deque(), deque())
        self.free_at = 0.0  # when the limited line is free again
        self.lost = False  # has been silent
        self.dead = False
        self.frames = b""  # of the broker, not whole yet
        self.left = list(next(proxy.cuts, (1 << 60, 1 << 60)))

    def opened(self, end: _End) -> None:
        if end is self.broker:
            self.apply()
            return
        self.proxy.connections += 1
        if self.proxy.refuse:
            self.reset()
            return
        self.proxy._links.add(self)
        self.lost = self.proxy.silent
        self.loop.create_task(self._dial())

    async def _dial(self) -> None:
        try:
            await self.loop.create_connection(lambda: self.broker, "127.0.0.1", self.proxy.broker_port)
        except OSError:
            self.reset()

    def received(self, direction: int, data: bytes) -> None:
        if self.lost or self.dead:
            return
        proxy = self.proxy
        proxy.bytes[direction] += len(data)
        proxy.chunks[direction] += 1
        if direction == TO_CLIENT:
            data = self._without_pubacks(data)
            if proxy.damage and data:
                data = proxy.damage(data)
        due = self.loop.time() + proxy.delay_ms / 1000
        if direction == TO_BROKER and proxy.rate:
            size = max(1, proxy.rate // _PIECES_PER_S)
            for at in range(0, len(data), size):
                piece = data[at : at + size]
                self.free_at = max(self.free_at, due) + len(piece) / proxy.rate
                self._queue(direction, self.free_at, piece)
            if len(self.queues[TO_BROKER]) > 8 and self.client.transport:
                self.client.transport.pause_reading()
        elif data:
            self._queue(direction, due, data)
        self._forward(direction)

    def _queue(self, direction: int, due: float, data: bytes) -> None:
        self.queues[direction].append((due, data))
        if due > self.loop.time():
            self.loop.call_at(due, self._forward, direction)

    def _forward(self, direction: int) -> None:
        """Pass on what is due."""
        queue = self.queues[direction]
        target = (self.broker if direction == TO_BROKER else self.client).transport
        if self.dead or self.lost or target is None or (direction == TO_CLIENT and self.proxy.hold_answers):
            return
        now = self.loop.time() + 0.0005
        while queue and queue[0][0] <= now:
            data = queue.popleft()[1][: self.left[direction]]
            self.left[direction] -= len(data)
            target.write(data)
            if not self.left[direction]:
                self.proxy.resets += 1
                self.reset()
                return
        if direction == TO_BROKER and len(queue) <= 8 and self.client.transport:
            self.client.transport.resume_reading()

    def _without_pubacks(self, data: bytes) -> bytes:
        """Take out as many PUBACKs (0x40, 2, identifier) as are to be lost. Keeps a packet that is not whole."""
        if not self.proxy.drop_pubacks and not self.frames:
            return data
        data, passed = self.frames + data, b""
        while len(data) >= 2 and len(data) >= 2 + data[1]:  # a broker's answers here are shorter than 128 bytes
            packet, data = data[: 2 + data[1]], data[2 + data[1] :]
            if packet[0] == 0x40 and self.proxy.drop_pubacks:
                self.proxy.drop_pubacks -= 1
                self.proxy.pubacks_dropped += 1
            else:
                passed += packet
        self.frames = data
        return passed

    def apply(self) -> None:
        self.lost = self.lost or self.proxy.silent
        for direction in (TO_BROKER, TO_CLIENT):
            self._forward(direction)

    def ended(self, direction: int) -> None:
        """One side is gone. What it said before is passed on at once, unless the link is silent or held."""
        other = self.broker if direction == TO_BROKER else self.client
        if self.lost and direction == TO_CLIENT:
            return  # the client of a half-open connection hears nothing of it
        if not self.dead and not self.lost and other.transport and not self.queues[direction]:
            self.proxy._links.discard(self)
            self.dead = True
            other.transport.close()
            return
        self.reset()

    def reset(self) -> None:
        self.dead = True
        self.proxy._links.discard(self)
        for end in (self.client, self.broker):
            if end.transport:
                end.transport.abort()
