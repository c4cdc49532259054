"""A second port on a virtual line (line.Wire): hears all, counts what it is asked to send."""


class Ear:
    """The port of the listening box: gets every byte of the line, and must not be asked to send."""

    rest_ms = 0

    def __init__(self, line):
        self.line = line
        self.heard = []  # (ns, byte)
        self.sent = 0  # what must stay so
        self.broken = False
        self.tuned = []  # settings it was opened anew with
        put = line._put
        line_send = line.send

        def both(begin, data):
            put(begin, data)
            self.add(begin, data)

        def send(frame):
            self.add(line.clock.us * 1000, frame)
            line_send(frame)

        line._put = both
        line.send = send

    def add(self, begin, data):
        for i, byte in enumerate(data):
            self.heard.append((begin + (i + 1) * self.line.char_ns, byte))

    def send(self, frame):
        self.sent += 1

    def tune(self, baud, serial_format):
        self._work()
        self.tuned.append((baud, serial_format))

    def _work(self):
        if self.broken:
            raise OSError(5)

    def available(self):
        self._work()
        now = self.line.clock.us * 1000
        return len([1 for ns, _ in self.heard if ns <= now])

    def receive_into(self, buf, n):
        n = min(n, self.available())
        for i in range(n):
            buf[i] = self.heard[i][1]
        del self.heard[:n]
        return n
