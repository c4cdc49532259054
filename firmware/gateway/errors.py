"""The error that the technician's configuration causes; it stays in memory when `config` does not."""

MAX_LINES = 40  # more mistakes than this are counted, not listed


class ConfigError(Exception):
    """The configuration cannot be used; `lines` says why, one mistake per line."""

    def __init__(self, lines):
        dropped = len(lines) - MAX_LINES
        if dropped > 0:
            lines = lines[:MAX_LINES] + ["%d more mistakes" % dropped]
        super().__init__("\n".join(lines))
        self.lines = lines
