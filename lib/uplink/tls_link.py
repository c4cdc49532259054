"""TLS 1.2 for the brokers that are configured with it: a network seam in front of another one.

Promises: never a plain connection to a broker that is configured with TLS; the certificate must lead to the CA of the
configuration, name the host and be valid now, by a clock that is known; no call blocks for longer than the longest
handshake message takes, and each such step is announced: `pauses.ask()` says whether it may begin now, and
`pauses.done()` follows. What goes wrong is an OSError whose text ends the sentence "broker 10.0.0.5:8883: ...".

Loaded only where a broker has "tls". The figures of steps and memory stand in DESIGN.md.
"""

import errno
import gc
import io
import os

from uplink import tls_dates
from uplink.tls_records import Records

STEP_MS = 600  # the bound that is announced for a step on an RP2040; see DESIGN.md for what was measured
RECORD_BYTES = 704  # a quantised batch; encrypting it takes 4.6 ms on an RP2040, and a slice should stay below 5
_MAX_HOLES = 2048
# What a connection takes in large pieces: Mbed TLS's buffers in and out (library/ssl_misc.h: 13 + 320 bytes beside the
# content of 16384 and 4096, and 8 of MicroPython's), and the context (MicroPython's extmod/modtls_mbedtls.c).
_ROOM_BYTES = (16736, 4448, 1728)
_CONTEXT = 2  # which of them is the context's
_MAX_FILE_BYTES = 4096  # of a certificate or a key

# Only what has forward secrecy and authenticated encryption; Mbed TLS's own list begins with slower ones.
_CIPHERS = (
    "TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256",
    "TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256",
    "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384",
    "TLS-ECDHE-RSA-WITH-AES-256-GCM-SHA384",
)

# What Mbed TLS says (x509.h, MBEDTLS_X509_CRT_ERROR_INFO_LIST), the gravest first, and what we say.
_VERDICTS = (
    ("not correctly signed", "certificate not signed by our CA"),
    ("has expired", "certificate expired"),
    ("in the future", "certificate not valid yet"),
    ("does not match", "certificate is for another host"),
)

# RFC 5246, 7.2.2 (and 8446, 6.2 for 116).
_ALERTS = {
    40: "TLS refused: own certificate missing?",  # handshake_failure
    42: "broker refuses our certificate",
    43: "broker refuses our kind of certificate",
    44: "our certificate is revoked",
    45: "our certificate has expired",
    46: "broker refuses our certificate",
    48: "our certificate is of another CA",
    49: "broker denies us access",
    70: "broker wants another TLS version",
    112: "broker does not know its name",
    116: "broker wants our certificate",
}


def _fill_holes():
    """Occupy the small holes of the heap with chains of 16 byte cells; returns their ends.

    Mbed TLS allocates thousands of pieces per message, and MicroPython looks for each from the first hole on that may
    be too small for it; with the holes taken it begins where there is room. DESIGN.md says what that saves. Chains are
    short: what the collector takes for a reference, a rest on the stack, keeps one of them and not all.
    """
    ends = [None] * (_MAX_HOLES >> 5)
    last = near = 0
    for i in range(_MAX_HOLES):
        ends[i >> 5] = cell = (ends[i >> 5],)
        at = id(cell)
        near = near + 1 if 0 < at - last <= 32 else 0
        if near == 64:  # so much in one piece is no hole
            break
        last = at
    return ends


class Room:
    """Holds the large pieces that a connection takes while there is none, so that nothing else settles in them: the
    heap has no others of that length after a while. They are as large as what a connection gives back. What it takes
    before them, 0.3 KB, must find a hole below them: where there is none, the connection fails and is tried again.

    They are streams in memory: closing one frees its memory at once, whatever the collector takes for a reference."""

    def __init__(self):
        self._pieces = [None] * len(_ROOM_BYTES)

    def keep(self):
        """Take what is not held. To be called once while memory is whole; then TlsNet does it."""
        pieces = self._pieces
        try:
            for i in range(len(pieces)):
                if pieces[i] is None:
                    pieces[i] = io.BytesIO(_ROOM_BYTES[i])
        except MemoryError:
            pass  # the next connection looks for itself

    def give(self, first, last):
        """A connection takes these pieces now."""
        for i in range(first, last):
            if self._pieces[i] is not None:
                self._pieces[i].close()
                self._pieces[i] = None
        gc.collect()


room = Room()  # the gateway's; it is wanted before there is a TlsNet


class TlsNet:
    """`net`: the seam behind. `secured`: {(host, port): {"ca", "cert", "key": file names in DER, "server_name"}}.

    `utc_ms()`: UTC or None while it is not known. `pauses`: ask() and done(), see the head of this file.
    `tls`: the runtime's module. `room`: a Room that holds the memory already.
    """

    def __init__(self, net, clock, secured, utc_ms, pauses, tls, room=None):
        self._net = net
        self._clock = clock
        self._secured = secured
        self._utc_ms = utc_ms
        self._pauses = pauses
        self._tls = tls
        self._room = room or Room()
        self.handshakes = 0  # begun
        self.step_max_ms = 0  # the longest step so far

    def up(self):
        """True when an address is held."""
        return self._net.up()

    def connect(self, host, port):
        """Start a connection. Raises OSError, also when certificate dates could not be judged."""
        settings = self._secured.get((host, port))
        if settings is None:
            return self._net.connect(host, port)
        if self._utc_ms() is None:
            raise OSError("clock is not set, no TLS without")
        return _Connection(self, host, settings, self._net.connect(host, port))


class _Connection:
    """A connection that becomes a TLS one: state() 0 while TCP is made, 2 in the handshake, 1 when it stands."""

    def __init__(self, link, host, settings, inner):
        self._link = link
        self._host = settings["server_name"] or host
        self._settings = settings
        self._inner = inner
        self._records = None
        self._socket = None
        self._byte = bytearray(1)
        self._asked = False
        self._standing = False
        self._dates = ""  # what is wrong with the dates of the chain

    def state(self):
        """See the class. Does at most one step of the handshake."""
        if self._standing:
            return 1
        if self._records is None:
            if not self._inner.state():
                return 0
            self._records = Records(self._inner)
        if self._socket is None:
            ready = True
        else:
            ready = self._records.due() or self._pull()
        if not ready:
            return 2
        self._asked = True
        if not self._link._pauses.ask():
            return 2
        clock = self._link._clock
        began = clock.ticks_ms()
        try:
            self._step()
        finally:
            self._withdraw()
        took_ms = clock.ticks_diff(clock.ticks_ms(), began)
        if took_ms > self._link.step_max_ms:
            self._link.step_max_ms = took_ms
        return 1 if self._standing else 2

    def write(self, data):
        """As in the seam; one call makes one record of at most RECORD_BYTES, which TCP gets in one piece."""
        if not self._records.flush():
            self._check()
            return 0
        try:
            count = self._socket.write(memoryview(data)[:RECORD_BYTES])
        except OSError as error:
            raise OSError(self._reason(error))
        self._check()
        return count or 0

    def read_into(self, buf):
        """As in the seam."""
        self._records.flush()
        try:
            count = self._socket.readinto(buf)
        except OSError as error:
            raise OSError(self._reason(error))
        self._check()
        if count == 0:
            raise OSError(errno.ECONNRESET)
        return count or 0

    def close(self):
        """As in the seam; the memory goes back with the next collection."""
        self._withdraw()
        if self._socket is not None:
            try:
                self._socket.close()
            except OSError:
                pass  # it was gone already
            self._socket = None
        self._inner.close()
        self._link._room.keep()

    def _withdraw(self):
        if self._asked:
            self._asked = False
            self._link._pauses.done()

    # The handshake

    def _pull(self):
        """Let bytes flow that cost nothing; True when a step has something to do."""
        self._records.pull()
        self._turn()
        return self._records.due()

    def _step(self):
        if self._socket is None:
            self._link.handshakes += 1
            self._start()
        self._records.step()
        holes = _fill_holes()
        self._turn()
        holes.clear()
        if self._dates:
            raise OSError(self._dates)
        if self._records.finished:
            self._records.open()
            self._standing = True

    def _turn(self):
        """Let Mbed TLS go on until it wants more than it may have."""
        try:
            self._socket.readinto(self._byte)
        except (OSError, ValueError) as error:
            raise OSError(self._reason(error))
        self._check()

    def _check(self):
        error = self._records.error
        if error:
            raise OSError(self._reason(error))

    def _start(self):
        settings = self._settings
        tls = self._link._tls
        try:
            self._link._room.give(_CONTEXT, len(_ROOM_BYTES))
            context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
            context.verify_mode = tls.CERT_REQUIRED
            context.verify_callback = self._judge
            context.set_ciphers(_CIPHERS)
            self._load(context.load_verify_locations, "ca")
            if settings["cert"]:
                self._load(context.load_cert_chain, "cert", "key")
            self._link._room.give(0, _CONTEXT)  # only now: what is smaller went elsewhere
            self._socket = context.wrap_socket(self._records, server_hostname=self._host, do_handshake_on_connect=False)
        except MemoryError:
            raise OSError("not enough memory for TLS")
        except OSError as error:
            raise OSError(self._reason(error))

    def _load(self, load, *names):
        parts = []
        for name in names:
            path = self._settings[name]
            try:
                length = os.stat(path)[6]  # `read` takes first what it may become
                with open(path, "rb") as file:
                    parts.append(file.read(min(length, _MAX_FILE_BYTES)))
            except OSError:
                raise OSError("%s: no such file" % path)
        try:
            load(*parts)
        except (OSError, ValueError) as error:
            bad = names[-1] if str(error) == "invalid key" else names[0]
            raise OSError("%s is no DER %s" % (self._settings[bad], "key" if bad == "key" else "certificate"))

    def _judge(self, certificate, depth):
        """Mbed TLS calls this for each certificate of the chain, the CA first. An exception must not leave it."""
        utc_ms = self._link._utc_ms()
        try:
            first, last = tls_dates.validity(certificate)
            now = tls_dates.stamp(utc_ms)
            what = "CA certificate" if depth else "certificate"
            if now < first:
                self._dates = "%s valid from %s" % (what, tls_dates.date(first))
            elif now > last:
                self._dates = "%s expired %s" % (what, tls_dates.date(last))
        except (ValueError, IndexError, TypeError) as error:
            self._dates = str(error)
        return 0  # Mbed TLS has its own verdict, which goes first

    def _reason(self, error):
        """The phrase for what went wrong, the cause before the consequence."""
        records = self._records
        text = error.args[-1] if error.args else ""
        if isinstance(error, ValueError):
            return self._verdict(str(text))
        if not self._standing:
            records.last_words()
        if records.alert and not self._standing:
            return _ALERTS.get(records.alert, "broker ends TLS with alert %d" % records.alert)
        error = records.error or error
        code = error.args[0] if error.args else 0
        if isinstance(code, str):
            return code
        if code == errno.ENOMEM:
            return "not enough memory for TLS"
        if not records.error:
            return "TLS error -0x%04x" % -code if code < 0 else "TLS error %d" % code
        if self._standing:
            return code
        return "closed in the TLS handshake" if records.heard else "closed, no TLS there (plain port?)"

    def _verdict(self, text):
        for sign, phrase in _VERDICTS:
            if sign in text:
                # Mbed TLS names no date; ours says the same with one.
                return self._dates if self._dates and phrase[-6:] != "our CA" and phrase[-4:] != "host" else phrase
        return self._dates or "certificate refused"
