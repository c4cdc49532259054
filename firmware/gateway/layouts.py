"""What the batch encoder needs of a schema: where each group's points lie, out of its meta lines."""

import json

from gateway.schema import group_of
from uplink.points import add_columns

# What comes before, between and behind the points of a line, and nowhere else: inside a text a quote has a backslash.
_POINTS = '"points":['
_NEXT = ',{"name":"'
_SILENCE = ',"deadband":{"'  # only where all points have one, see gateway.silence


def learn(line, layouts):
    """Put what a meta line describes into `layouts`, {group: layout}; a generator that stops after each point, as one
    takes an RP2040 1 ms. A group without a line is published as whole rows."""
    columns = []
    before = None
    at = line.index(_POINTS) + len(_POINTS)
    end = line.rfind(_SILENCE)
    end = (end if end > 0 else len(line) - 1) - 1  # of the closing bracket
    while at < end:
        behind = line.find(_NEXT, at)
        if behind < 0:
            behind = end
        before = add_columns(columns, json.loads(line[at:behind]), before)
        at = behind + 1
        yield ""
    layouts[group_of(line)] = tuple(columns)
