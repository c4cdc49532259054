"""An OT half out of a tree, as the box reads it: from a file, unit by unit."""

import io
import json

from gateway import planning
from gateway.errors import ConfigError
from gateway.ot import Ot


class Half:
    """tree: or its text. errors: lines without the file's name; head; units: what gateway.ot.Ot yielded."""

    def __init__(self, tree, ports=1):
        lines = []
        text = tree if isinstance(tree, str) else json.dumps(tree)
        self.ot = Ot(io.BytesIO(text.encode()), ports, lines)
        self.units = [step[1] for step in self.ot.units() if step]
        self.errors = [line[9:] for line in lines]  # "ot.json: "
        self.head = self.ot.head


def planned(tree, ports=2, it=None):
    """gateway.planned.Planned of a tree, without frames, and the texts of its groups. Raises ConfigError."""
    errors = []
    ot = Ot(io.BytesIO(json.dumps(tree).encode()), ports, errors)
    made = planning.make(ot, errors, it, False)
    if errors:
        raise ConfigError(errors)
    made.texts = lambda: planning.texts(ot, made.computed)
    return made
