"""What stays of the OT half: apart from gateway.planning, which an object of a class there would keep in memory."""


class Planned:
    """What the start needs of an OT half.

    ot: its head (gateway.ot) with its hash. plans: a modbus.plan.Plan per bus, without points. computed: reads of the
    virtual groups, with points. schema: id of what all groups mean. columns: of each group, for the recorder. banded:
    there are points with a deadband. special: types that take more code. map: what gateway.scada.Map made, or None.
    """

    def __init__(self):
        self.plans = []
        self.computed = []
        self.columns = {}
        self.special = False
        self.map = None
