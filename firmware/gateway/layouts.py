"""What the batch encoder needs of a schema: where each group's points lie, out of its meta lines."""

import json

from uplink.points import layout_of


def layouts_of(lines):
    """{group: layout} for the meta lines of one schema; a group without a line is published as whole rows."""
    layouts = {}
    for line in lines:
        meta = json.loads(line)
        layouts[meta["group"]] = layout_of(meta["points"])
    return layouts
