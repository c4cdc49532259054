"""Who a unit says it is: requests and replies of FC 43/14 and FC 17, as texts for people.

Read Device Identification is function 43 with MEI type 14 (Modbus Application Protocol V1.1b3,
6.21), Report Server ID is function 17 (6.13). Parsing takes any bytes, never raises on them
and keeps at most MAX_OBJECTS texts of at most MAX_TEXT characters.
"""

from modbus.adu import build
from modbus.codes import const
from modbus.crc import sound
from modbus.reply import same

BASIC = const(1)  # vendor, product code, revision
REGULAR = const(2)  # url, product name, model, application as well
MAX_OBJECTS = const(16)
MAX_TEXT = const(64)
_MAX_REQUESTS = const(8)  # of FC 43 to one unit

NAMES = ("vendor", "product_code", "revision", "vendor_url", "product_name", "model", "application")


def device_id_request(unit_id, level=BASIC, first_object=0):
    """The frame that asks for the objects of a level, from object 0..255 on."""
    return build(unit_id, bytes((43, 14, level, first_object)))


def server_id_request(unit_id):
    """The frame of Report Server ID."""
    return build(unit_id, b"\x11")


def locate(buf, n, request):
    """Offset of the reply (or exception) to an FC 43/14 or FC 17 request in buf[0:n], -1 if there is none."""
    i = 0
    if n > len(request) and same(buf, request):
        i = len(request)  # behind the echo of our own frame
    while i + 4 < n:
        if buf[i] == request[0]:
            length = 0
            if buf[i + 1] == request[1] | 0x80:
                length = 5
            elif buf[i + 1] == request[1]:
                length = reply_bytes(buf, i, n)
            if length and i + length <= n and sound(buf, i, length):
                return i
        i += 1
    return -1


def reply_bytes(buf, start, n):
    """Length of the good reply at buf[start:n], 0 if it cannot be told (yet)."""
    if buf[start + 1] == 17:
        return 5 + buf[start + 2] if start + 2 < n else 0
    if start + 8 > n or buf[start + 2] != 14:
        return 0
    at = start + 8
    for _ in range(buf[start + 7]):
        if at + 2 > n:
            return 0
        at += 2 + buf[at + 1]
    return at + 2 - start


def text(data):
    """Bytes as a text that any terminal can show: printable ASCII, others as `\\x07`; at most MAX_TEXT characters."""
    shown = ""
    for byte in data:
        if len(shown) >= MAX_TEXT:
            break
        shown += chr(byte) if 32 <= byte < 127 and byte != 92 else "\\x%02x" % byte
    return shown[:MAX_TEXT].strip()


def take_device_id(buf, start, objects):
    """Add the texts of a located, good FC 43/14 reply to the dict `objects`.

    Returns (conformity level of the unit 0..127, next object to ask for or None).
    """
    at = start + 8
    for _ in range(buf[start + 7]):
        number = buf[at]
        length = buf[at + 1]
        if len(objects) < MAX_OBJECTS:
            name = NAMES[number] if number < len(NAMES) else "object_%d" % number
            objects[name] = text(bytes(buf[at + 2 : at + 2 + length]))
        at += 2 + length
    more = buf[start + 6] if buf[start + 5] == 0xFF else None
    return buf[start + 4] & 0x7F, more


def take_server_id(buf, start, objects):
    """Add the text of a located, good FC 17 reply. Its layout is the vendor's; a run indicator of 0 or 255 is shown."""
    data = bytes(buf[start + 3 : start + 3 + buf[start + 2]])
    objects["server_id"] = text(data)
    if len(data) >= 2 and data[1] in (0, 255):
        objects["running"] = "yes" if data[1] else "no"


class Identify:
    """Asks one unit who it is: `step()` until `done`, then `objects` has the texts by name.

    ask: modbus.ask.Ask, tuned to the unit's setting. A unit that knows neither function gives
    an empty dict; at most _MAX_REQUESTS + 1 requests. OSError of the port is passed on.
    """

    def __init__(self, ask, unit_id, patience_ms=200):
        self.objects = {}
        self.done = False
        self.requests = 0
        self._ask = ask
        self._unit_id = unit_id
        self._patience_ms = patience_ms
        self._level = BASIC
        self._next = 0
        self._begin(device_id_request(unit_id))

    def step(self):
        """Do what can be done now; returns us until there is something to do."""
        ask = self._ask
        if self.done:
            return 0
        wait = ask.step()
        if not ask.done:
            return wait
        at = ask.at
        good = at >= 0 and not ask.buf[at + 1] & 0x80
        if ask.frame[1] == 17:
            if good:
                take_server_id(ask.buf, at, self.objects)
            self.done = True
        elif good:
            self._device_id(at)
        else:
            self._begin(server_id_request(self._unit_id))
        return 0

    def _device_id(self, at):
        conformity, more = take_device_id(self._ask.buf, at, self.objects)
        if self.requests >= _MAX_REQUESTS:
            more = None
            conformity = 0
        if more is not None and more > self._next:  # forwards only: a unit may not lead us in circles
            self._next = more
        elif self._level == BASIC and conformity >= REGULAR:
            self._level = REGULAR
            self._next = 0
        else:
            self._begin(server_id_request(self._unit_id))
            return
        self._begin(device_id_request(self._unit_id, self._level, self._next))

    def _begin(self, frame):
        self.requests += 1
        self._ask.start(frame, self._patience_ms)
