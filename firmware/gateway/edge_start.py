"""Makes the rules of ot.json ready to run; loaded at the start, where there are any."""

from edge.inputs import Inputs
from gateway import schema as schemas
from gateway.edge import Edge


def make(gateway, ot):
    """The gateway's Edge. Raises ConfigError."""
    edge = Edge(gateway, Inputs([]))
    edge.describe(schemas.lines(gateway.schema))
    return edge
