"""From flash to broker: reads the log, and nothing else, and publishes it in order, batch by batch.

`step()` does one slice: one log frame into the batch, one column of the envelope, or one
message handed to the session. The log's cursor moves only to places that the broker has
acknowledged; `acknowledged()` tells the keeper where that is, because writing it to flash needs
a pause of the bus. What a batch's samples mean is published (retained) before the batch.

What is current (telemetry, latest values) does not wait behind a backlog: `notice` goes out before
the next batch. A backlog is paced: at most `backfill_bytes_per_s`, but always twice as fast as it
was measured, so that it ends; live data never reach that limit.
"""

from flashlog.records import EVENT, SAMPLE, TIME_MARK, Block
from gateway import schema as schemas
from gateway import words
from gateway.clock import uptime_ms
from gateway.layouts import learn

MAX_PAYLOAD_BYTES = 2048
MAX_META_BYTES = 4096
MAX_PAUSE_MS = 60000  # between two batches of a backlog

# What holds for every group: the glossary's terms that explain it; for most: each sample is published.
_TERMS = ',"terms":["sample_time","quality","period","schema","deadband"]}'
_ALL = ',"deadband":null'
# A row of 8 floats takes about 1.2 ms on an RP2040, one of 30 floats up to 3.3: two of the first go into a step.
BYTES_PER_STEP = 100
ROW_BYTES = 40  # what a row costs beside its data
STEP_US = 2500  # most steps are shorter
FILE_US = 10000  # one that looks for a file
TERM_MS = 100  # between two terms of the glossary: nobody waits for them, and each is 1 KB of garbage


def encoder_of(kind, log_id, max_records):
    """The encoder of a payload format; only its modules are loaded. The seam is `uplink.batch.Batch`."""
    if kind == "typed":
        from uplink.typed import TypedEncoder as Encoder
    else:
        from uplink.envelope import BatchEncoder as Encoder
    return Encoder(log_id, MAX_PAYLOAD_BYTES, max_records)


def _bytes(text):
    return text.encode() if isinstance(text, str) else text


class Publisher:
    """Publishes below the topic `base`. settings: the "publish" part of the IT half.

    encoder: writes the batches; what the settings name when it is left out.
    """

    def __init__(self, log, session, clock, base, settings, encoder=None):
        self._log = log
        self._session = session
        self._clock = clock
        self._base = base
        self._age_ms = settings["batch_age_ms"]
        self._limit = settings.get("backfill_bytes_per_s", 0)  # 0: as fast as the broker takes it
        self._encoder = encoder or encoder_of(settings.get("payload"), log.log_id, settings["batch_records"])
        self._retained = iter(())  # (topic, text) to publish before any batch
        self._message = None  # the one of them that is next
        self.need_us = STEP_US  # the next step holds the loop for about so long
        self._terms = iter(())  # the glossary's terms, one by one when there is nothing else to do
        self._term_at = clock.ticks_ms()
        self._taught = False  # they were given to a broker in this boot
        self.notice = None  # (topic, text) to publish retained before the next batch; who sets it waits for None
        self._told = ()  # schemas whose meaning this session's broker has
        self._layouts_schema = None
        self._layouts = {}
        # The batch that is being collected
        self._open = False
        self._since = 0  # ticks_ms at which it was begun
        self._batch_boot = 0
        self._batch_schema = None
        self._next_number = 0  # sequence number that continues it
        self._base_ms = 0  # uptime of its first record
        self._sent = None  # (boot, uptime of the first record) of the batch before
        self._pause_ms = 0  # that must pass between the two
        self._sent_at = 0
        self._read_to = None  # log position behind the last frame that is in it as a whole
        # The frame that is being taken in
        self.unreadable = None  # why the log's next block cannot be read
        self._block = None
        self._rows = None
        self._row = None  # the row that is next
        self._number = 0  # its sequence number
        # UTC of uptime zero of one boot, as the log's time marks say
        self._marked_boot = None
        self._zero_ms = None
        self._writer = None  # steps of the envelope that is being written
        self._in_flight = []  # (token, log position or None) of each message, at most the session's window
        self._acked = None
        session.on_ack = self._on_ack

    def greet(self, status, schema):
        """At every connect and change of schema: status, glossary and meta go out before any batch."""
        self._told = (schema,)
        self._retained = self._greeting(status, schema)
        self._message = None

    def step(self):
        """One slice of work. True if there may be more to do at once."""
        self.need_us = STEP_US
        if not self._session.ready:
            return False
        if self._message is not None:
            return self._say()
        message = next(self._retained, None)
        if message is not None:
            topic, text = message
            if topic:
                self._message = message
            elif text is None:
                self.need_us = FILE_US
            return True
        if self._writer is not None and self._write():
            return True
        if self.notice is not None:
            topic, text = self.notice
            text = _bytes(text)
            if self._session.can_publish(len(text)):
                self.notice = None
                self._publish(topic, text, True, None)
                return True
            self.notice = topic, text
        if self._writer is not None:
            return False
        return self._collect() or self._teach()

    @property
    def acked(self):
        """True when the broker has acknowledged more than `acknowledged` has told."""
        return self._acked is not None

    def acknowledged(self):
        """Log position up to which the broker has everything, each once; None if it has not moved."""
        position, self._acked = self._acked, None
        return position

    # Messages: (topic, text), or (None, None) before a step that looks for a file, or (None, "") in between

    def _greeting(self, status, schema):
        yield "status", status
        yield None, None
        glossary = words.messages()
        yield next(glossary)
        if not (self._taught and self._session.known):  # a broker that kept our session kept what is retained
            self._terms = glossary
            self._taught = True
        yield from self._meaning(schema)

    def _meaning(self, schema):
        """What a schema's samples mean; on the way its layouts are learned, as each look for its file takes 10 ms."""
        layouts = None if schema == self._layouts_schema else {}
        for line in schemas.steps(schema):
            if not line:
                yield None, line
                continue
            topic = "meta/%s/%d" % (schemas.hex_of(schema), schemas.group_of(line))
            yield topic, line[:-1] + (_TERMS if '"deadband":{' in line else _ALL + _TERMS)
            if layouts is not None:
                for piece in learn(line, layouts):  # a line of 10 points at once took an RP2040 15 ms
                    yield None, piece
        if layouts is not None:
            self._layouts = layouts
            self._layouts_schema = schema

    def _say(self):
        topic, text = self._message
        text = _bytes(text)
        if not self._session.can_publish(len(text)):
            self._message = topic, text
            return False
        self._message = None
        self._publish(topic, text, True, None)
        return True

    def _teach(self):
        """The next term, if one is due."""
        now = self._clock.ticks_ms()
        if 0 <= self._clock.ticks_diff(now, self._term_at) < TERM_MS:
            return False
        self._term_at = now
        self._message = next(self._terms, None)
        return self._message is not None

    def _publish(self, topic, payload, retain, position):
        topic = topic[1:] if topic[0] == "/" else "%s/%s" % (self._base, topic)  # "/": not below the base
        token = self._session.publish(topic, payload, retain)
        self._in_flight.append((token, position))

    def _on_ack(self, token):
        expected, position = self._in_flight.pop(0)
        assert token == expected
        if position is not None:
            self._acked = position

    # Batches

    def _collect(self):
        """Take some rows of the next frame into the batch, as far as they fit."""
        if self._rows is None:
            if self._next_frame():
                return True
            return self._finish() if self._open and self._age() >= self._age_ms else False
        block = self._block
        if self._open and not self._continues(block):
            return self._finish()
        if block.schema not in self._told or block.schema != self._layouts_schema:
            self._told = (self._told[0], block.schema)
            self._retained = self._meaning(block.schema)
            return True
        if not self._open:
            self._begin(block)
            return True
        left = BYTES_PER_STEP
        while left > 0:
            row = self._row
            if not self._take(row):
                return self._finish()
            left -= ROW_BYTES
            if row[0] == SAMPLE and row[5]:
                left -= len(row[5])
            self._number += 1
            self._next_number = self._number
            self._row = next(self._rows, None)
            if self._row is None:
                break
        else:
            return True
        self._rows = None
        self._read_to = self._log.position()
        return True

    def _next_frame(self):
        payload = None if self.unreadable else self._log.read()
        if payload is None:
            return False
        try:
            self._block = Block(payload)
        except ValueError as error:
            # Newer firmware wrote it and was taken back. It stays, and all behind it, until newer firmware is there.
            self.unreadable = str(error)
            print("flash log: %s; nothing from there on is published until the firmware is as new" % error)
            return False
        self._rows = iter(self._block)
        self._row = next(self._rows, None)
        self._number = (self._log.frame_seq_hi << 30) + self._log.frame_seq_lo
        return True

    def _continues(self, block):
        # A batch holds consecutive records of one boot and one schema.
        return (
            block.boot == self._batch_boot and block.schema == self._batch_schema and self._number == self._next_number
        )

    def _begin(self, block):
        _, _, _, era, ticks, _ = self._row
        if block.boot != self._marked_boot:
            self._marked_boot = block.boot
            self._zero_ms = None
        self._encoder.begin(block.boot, block.schema, self._layouts, self._number, era, ticks)
        self._open = True
        self._since = self._clock.ticks_ms()
        self._batch_boot = block.boot
        self._batch_schema = block.schema
        self._next_number = self._number
        self._base_ms = uptime_ms(era, ticks)
        self._read_to = None

    def _take(self, row):
        kind, name, quality, era, ticks, data = row
        if kind == SAMPLE:
            return self._encoder.sample(name, quality, era, ticks, data)
        if kind == EVENT:
            return self._encoder.event(name, era, ticks, *data)
        assert kind == TIME_MARK
        if not self._encoder.time_mark(era, ticks, data):
            return False
        self._zero_ms = data - uptime_ms(era, ticks)
        return True

    def _age(self):
        return self._clock.ticks_diff(self._clock.ticks_ms(), self._since)

    def _finish(self):
        utc_ms = None if self._zero_ms is None else self._zero_ms + self._base_ms
        self._writer = self._encoder.steps(utc_ms)
        self._open = False
        if self._sent is not None and self._sent[0] == self._batch_boot:
            # Half of the time that the records before this batch took to come: so a backlog always shrinks.
            self._pause_ms = min(self._pause_ms, max(0, self._base_ms - self._sent[1]) // 2)
        return True

    def _write(self):
        """One column, or the whole payload to the session once it is written, has room and may go."""
        for _ in self._writer:
            return True
        payload = self._encoder.payload
        now = self._clock.ticks_ms()
        if self._pause_ms and 0 <= self._clock.ticks_diff(now, self._sent_at) < self._pause_ms:
            return False
        if not self._session.can_publish(len(payload)):
            return False
        self._writer = None
        self._sent = (self._batch_boot, self._base_ms)
        self._sent_at = now
        self._pause_ms = min(len(payload) * 1000 // self._limit, MAX_PAUSE_MS) if self._limit else 0
        self._publish("data", payload, False, self._read_to)
        return True
