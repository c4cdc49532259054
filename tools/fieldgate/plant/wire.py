"""An RS-485 line in virtual time: half duplex, paced by baud and format, with faults by name.

Pure: time is asked for by a function and nothing here sleeps or opens anything, so tests drive it with a
clock of their own. `plant.line` ties it to two ptys.

Promises
- Bytes the client writes occupy the wire from that moment for the time their bits take. The request is handed
  to the units when its last stop bit has passed and length and CRC are right; units ignore anything else.
- A reply starts at the request's end plus the unit's turnaround, never earlier, and its bytes are handed to the
  client when their stop bits have passed: the first alone, then in chunks of at most `chunk_us`, the last on
  time. Due times come from the start of the frame: lateness of the host does not add up.
- Who sends at the same time as another destroys both: overlapped bytes are garbled, a garbled request is not
  answered, a client that sends does not hear the others. Counted and recorded as collision.
- Every transmission is recorded with start, end and the gap before it; every reply ends up in the book as served
  or as faulted.
- A reply that the host itself handed over too late (more than STALL_NS inside a reply, FIRST_STALL_NS before its
  first byte) is not called served but faulted with `host_stall`.

Sources: Modbus over Serial Line V1.02, 2.5.1.1 (frame silences), 3.4 (two-wire line).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Mapping

from fieldgate.plant import rtu
from fieldgate.plant.faults import Faults
from fieldgate.plant.record import Book, Frame, Reply
from fieldgate.plant.rtu import Request
from fieldgate.plant.timing import NS_PER_S, SerialTiming
from fieldgate.plant.transmission import CLIENT, NOISE, UNIT, Transmission

NS_PER_MS = 1_000_000
STALL_NS = 8 * NS_PER_MS
FIRST_STALL_NS = 100 * NS_PER_MS
SERVER_SILENT_NS = 1 * NS_PER_S
MAX_PENDING = 4
MAX_NOISE_BYTES = 8
COUNTS = (
    "requests", "replies", "served", "faulted", "bad_requests", "absent_unit", "server_silent", "server_out_of_step",
    "collisions", "short_gaps", "char_gaps", "too_long", "overrun", "no_listener", "host_stalls",
)  # fmt: skip


class Wire:
    """The line between one client and the units.

    now_ns: monotonic time. utc_ms: converts such a time to UTC in ms. to_client, to_server: hand bytes over and
    return how many were taken. turnaround_ms: per unit id, request's end to reply's start; ids that are not
    listed do not exist on the line. wake: called when the earliest due time (`next_due_ns`) has become earlier.
    """

    def __init__(
        self,
        timing: SerialTiming,
        turnaround_ms: Mapping[int, float],
        faults: Faults,
        book: Book,
        *,
        now_ns: Callable[[], int],
        utc_ms: Callable[[int], int],
        to_client: Callable[[bytes], int],
        to_server: Callable[[bytes], int],
        wake: Callable[[], None] = lambda: None,
        chunk_us: int = 2000,
    ) -> None:
        self.timing = timing
        self.faults = faults
        self.book = book
        self.counts = dict.fromkeys(COUNTS, 0)
        self.listening = True
        self.asked = b""  # the last request handed to the units
        self._turnaround_ns = {unit: round(ms * NS_PER_MS) for unit, ms in turnaround_ms.items()}
        self._now_ns, self._utc_ms = now_ns, utc_ms
        self._to_client, self._to_server, self._wake = to_client, to_server, wake
        self._chunk_ns = chunk_us * 1000
        self._opened_ns = now_ns()
        self._last_end_ns = self._opened_ns - NS_PER_S
        self._events: list[tuple[int, int, Callable[[int], None]]] = []
        self._event_number = 0
        self._on_wire: list[Transmission] = []
        self._request: Transmission | None = None
        self._pending: deque[Request] = deque()
        self._reply = bytearray()
        self._noise_due = False
        faults.on_change = self._faults_changed

    # ---- what the driver calls

    def next_due_ns(self) -> int | None:
        """When `run` should be called next; None while nothing is planned."""
        return self._events[0][0] if self._events else None

    @property
    def unanswered(self) -> int:
        """Requests that the units' server has not answered yet."""
        return len(self._pending)

    def run(self) -> None:
        """Do everything that is due."""
        now_ns = self._now_ns()
        while self._events and self._events[0][0] <= now_ns:
            due_ns, _, action = heapq.heappop(self._events)
            action(due_ns)

    def client_bytes(self, data: bytes) -> None:
        """The client wrote these bytes to its UART now."""
        self.run()
        now_ns = self._now_ns()
        request = self._request
        if request is None:
            request = self._request = Transmission(self.timing, CLIENT, bytearray(data), now_ns)
            self._put(request)
            if 0 <= request.gap_ns < self.timing.t3_5_ns and request.note("short_gap"):
                self.counts["short_gaps"] += 1
        elif len(request.data) > rtu.MAX_ADU_BYTES:
            return  # it babbles; this much is enough to call it so
        else:
            if request.extend(data, now_ns) > self.timing.t1_5_ns and request.note("char_gap"):
                self.counts["char_gaps"] += 1
            self._meet_others(request)
        if len(request.data) > rtu.MAX_ADU_BYTES and request.note("too_long"):
            self.counts["too_long"] += 1
        self._last_end_ns = max(self._last_end_ns, request.end_ns)
        if self.faults.active("echo"):
            if request.note("echo"):
                self.faults.counts["echo"] += 1
            self._at(request.char_end_ns(request.received), lambda due_ns: self._deliver(request, due_ns))
        self._at(request.end_ns, lambda due_ns: self._request_sent(request, due_ns))

    def server_bytes(self, data: bytes) -> None:
        """The units' server wrote these bytes."""
        self.run()
        self._reply += data
        while (size := rtu.reply_bytes(self._reply)) and len(self._reply) >= size:
            adu = bytes(self._reply[:size])
            del self._reply[:size]
            request = self._take_pending(adu)
            if request is None or not rtu.crc_ok(adu):
                self.counts["server_out_of_step"] += 1
                self._reply.clear()
                return
            self._answer(request, adu)

    def client_gone(self) -> None:
        """The client closed its port: what it was sending breaks off, what it would receive is lost."""
        self.run()
        self.listening = False
        if self._request is not None:
            self._request.break_off(self._now_ns())
            self._last_end_ns = self._request.end_ns
            self._finish_request(self._request, good=False)

    def client_back(self) -> None:
        """A client opened the port."""
        self.listening = True

    # ---- events

    def _at(self, due_ns: int, action: Callable[[int], None]) -> None:
        self._event_number += 1
        heapq.heappush(self._events, (due_ns, self._event_number, action))
        if self._events[0][1] == self._event_number:
            self._wake()

    def _put(self, sent: Transmission) -> None:
        """Put a transmission on the wire from its start on."""
        sent.gap_ns = sent.start_ns - self._last_end_ns
        self._last_end_ns = max(self._last_end_ns, sent.end_ns)
        self._on_wire = [other for other in self._on_wire if other.end_ns > sent.start_ns or other is self._request]
        self._on_wire.append(sent)
        self._meet_others(sent)

    def _meet_others(self, sent: Transmission) -> None:
        for other in self._on_wire:
            if other is not sent and sent.meet(other):
                self.counts["collisions"] += 1

    # ---- the client's requests

    def _request_sent(self, request: Transmission, due_ns: int) -> None:
        """The last bit so far has left: a whole request goes to the units, the rest waits for t3.5."""
        if request is not self._request or request.end_ns > due_ns:
            return
        if rtu.is_request(request.data):
            self._finish_request(request, good=not request.overlaps)
        else:
            self._at(due_ns + self.timing.t3_5_ns, lambda _: self._request_broke_off(request, due_ns))

    def _request_broke_off(self, request: Transmission, end_ns: int) -> None:
        if request is self._request and request.end_ns == end_ns:
            self._finish_request(request, good=False)

    def _finish_request(self, sent: Transmission, good: bool) -> None:
        self._request = None
        self.counts["requests"] += 1
        if good:
            self._ask_unit(sent)
        else:
            self.counts["bad_requests"] += 1
        self._record_frame(sent)

    def _ask_unit(self, sent: Transmission) -> None:
        request = rtu.parse_request(sent.data, sent.end_ns)
        if self.faults.active("cable_cut"):
            self.faults.counts["cable_cut"] += 1
            sent.note("cable_cut")
        elif request.unit_id not in self._turnaround_ns:
            self.counts["absent_unit"] += 1
            sent.note("absent_unit")
        elif self.faults.strike("dead_unit", request.unit_id):
            sent.note("dead_unit")
        elif len(self._pending) < MAX_PENDING and self._hand_over(bytes(sent.data)):
            self._pending.append(request)
            self._at(sent.end_ns + SERVER_SILENT_NS, lambda _: self._give_up(request))
        else:
            self.counts["server_silent"] += 1

    def _hand_over(self, adu: bytes) -> bool:
        self.asked = adu
        return self._to_server(adu) == len(adu)

    def _give_up(self, request: Request) -> None:
        if request in self._pending:
            self._pending.remove(request)
            self.counts["server_silent"] += 1

    # ---- the units' replies

    def _take_pending(self, adu: bytes) -> Request | None:
        """The request that this reply answers; those before it were never answered."""
        for request in tuple(self._pending):
            self._pending.popleft()
            if (request.unit_id, request.fc) == (adu[0], adu[1] & 0x7F):
                return request
            self.counts["server_silent"] += 1
        return None

    def _answer(self, request: Request, adu: bytes) -> None:
        """Plan the transmission of a reply, as the active faults leave it."""
        self.counts["replies"] += 1
        data, notes, whole, delay_ns = bytearray(adu), [], True, 0
        strike, rng, unit = self.faults.strike, self.faults.rng, request.unit_id
        if strike("corrupt", unit):
            data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
            notes.append("corrupt")
            whole = False
        for name, stray in (("stray_00", 0x00), ("stray_ff", 0xFF)):
            if strike(name, unit):
                data.insert(0, stray)
                notes.append(name)
        if late := strike("late_reply", unit):
            notes.append("late_reply")
            delay_ns = late.ms * NS_PER_MS
        start_ns = max(self._now_ns(), request.end_ns + self._turnaround_ns[unit] + delay_ns)
        reply = Transmission(self.timing, UNIT, data, start_ns, request, adu, notes, whole=whole)
        if strike("lost_reply", unit):
            reply.note("lost_reply")
            reply.whole = False
            self._record_reply(reply)
        else:
            self._at(start_ns, lambda _: self._begin(reply))

    def _begin(self, sent: Transmission) -> None:
        self._put(sent)
        self._at(sent.char_end_ns(0), lambda due_ns: self._deliver(sent, due_ns))

    def _deliver(self, sent: Transmission, due_ns: int) -> None:
        """Hand over what has arrived at the client, then plan the next chunk or finish."""
        now_ns = self._now_ns()
        # when the host is late, what begins meanwhile must be known before later characters are judged
        ready = sent.chars_until(min(now_ns, self._events[0][0] if self._events else now_ns), sent.received)
        self._judge_lateness(sent, now_ns - due_ns)
        heard = self._as_heard(sent, sent.received, ready)
        if heard and not self.listening:
            sent.whole = False
            if sent.note("no_listener"):
                self.counts["no_listener"] += 1
        elif heard and self._to_client(heard) < len(heard):
            sent.whole = False
            if sent.note("overrun"):
                self.counts["overrun"] += 1
        sent.received = ready
        if ready < len(sent.data):
            last = max(ready, sent.chars_until(now_ns + self._chunk_ns, ready) - 1)
            self._at(sent.char_end_ns(last), lambda due_ns: self._deliver(sent, due_ns))
        elif sent.sender != CLIENT:
            self._record_frame(sent)
            self._record_reply(sent)

    def _judge_lateness(self, sent: Transmission, late_ns: int) -> None:
        sent.late_ns = max(sent.late_ns, late_ns)
        limit_ns = STALL_NS if sent.received else FIRST_STALL_NS
        if late_ns > limit_ns and sent.sender == UNIT and sent.note("host_stall"):
            self.counts["host_stalls"] += 1

    def _as_heard(self, sent: Transmission, first: int, until: int) -> bytes:
        """Characters `first` to `until` as the client's receiver hears them."""
        if sent.sender == UNIT and self.faults.active("cable_cut"):
            sent.whole = False
            if sent.note("cable_cut"):
                self.faults.counts["cable_cut"] += 1
            return b""
        if not sent.overlaps:
            return bytes(sent.data[first:until])
        heard = bytearray()
        for index in range(first, until):
            others = sent.others_during(index)
            sent.whole = sent.whole and not others
            if not others:
                heard.append(sent.data[index])
            elif CLIENT not in others:  # a client that sends does not hear the others
                heard.append(sent.data[index] ^ self.faults.rng.randrange(1, 256))
        return bytes(heard)

    # ---- noise

    def _faults_changed(self) -> None:
        if not self._noise_due and self.faults.active("noise"):
            self._plan_noise(self._now_ns())

    def _plan_noise(self, after_ns: int) -> None:
        self._noise_due = True
        self._at(after_ns + self._noise_wait_ns(), self._noise)

    def _noise_wait_ns(self) -> int:
        noise = self.faults.active("noise")
        mean_ms = noise.ms if noise else 1
        return max(
            NS_PER_MS, min(20 * mean_ms * NS_PER_MS, round(self.faults.rng.expovariate(1 / mean_ms) * NS_PER_MS))
        )

    def _noise(self, due_ns: int) -> None:
        self._noise_due = False
        if not self.faults.active("noise"):
            return
        self.faults.counts["noise"] += 1
        rng = self.faults.rng
        burst = bytearray(rng.randrange(256) for _ in range(rng.randint(1, MAX_NOISE_BYTES)))
        sent = Transmission(self.timing, NOISE, burst, due_ns)
        self._begin(sent)
        self._plan_noise(sent.end_ns)

    # ---- the record

    def _record_frame(self, sent: Transmission) -> None:
        opened_ns = self._opened_ns
        notes = tuple(sent.notes)
        self.book.frames.add(
            Frame(
                (sent.start_ns - opened_ns) // 1000, (sent.end_ns - opened_ns) // 1000, sent.gap_ns // 1000,
                self._utc_ms(sent.start_ns), sent.sender, bytes(sent.data), bool(sent.overlaps), notes,
            )
        )  # fmt: skip

    def _record_reply(self, sent: Transmission) -> None:
        request = sent.answers
        if request is None or request.fc not in rtu.READ_CODES:
            return
        adu, exception = sent.truth, 0
        if adu[1] & 0x80:
            exception = adu[2]
        names = list(sent.notes)
        if sent.overlaps:
            names.append("collision")
        reply = Reply(
            self._utc_ms(sent.end_ns), request.unit_id, request.fc, request.address, request.count,
            b"" if exception else adu[3:-2], exception, self._utc_ms(request.end_ns), sent.late_ns // 1000,
            tuple(names), sent.whole,
        )  # fmt: skip
        if names:
            self.counts["faulted"] += 1
            self.book.faulted.add(reply)
        else:
            self.counts["served"] += 1
            self.book.served.add(reply)
