"""What the box says by itself at a slow rate, retained: telemetry, the latest values, the inventory of units.

One task, one text at a time: each is made in pieces between which others run, handed to the publisher and forgotten,
so that no more than one lies in memory. While there is no session nothing is made; after a connect everything is said.
"""

TICK_MS = 100
FIRST_ASSETS_MS = 10000  # after the start: by then the units have answered
LEAST_ASSETS_MS = 60000
AGAIN_MS = 1000  # when there was no room in the heap for the code


class Reports:
    """gateway: the app's Gateway, its parts may come later. settings: the "publish" part of the IT half."""

    def __init__(self, gateway, settings):
        self._gateway = gateway
        self._clock = gateway.clock
        self._telemetry_ms = settings["telemetry_s"] * 1000
        self._latest_ms = settings["latest_s"] * 1000
        self._assets_ms = settings["assets_s"] * 1000
        self._homeassistant = settings["homeassistant"]
        self._discovered = None  # schema that Home Assistant was told of in this session
        self._alarms_told = 0  # what edge.alarms.changed was when the list was published
        self._unit = 0  # whose turn it is in the telemetry
        self._vitals = None  # the module, where it is kept between two rounds
        self._asked = {}  # (bus, unit id): True, units that were asked who they are

    async def run(self, sleep_ms):
        """Until the program ends."""
        clock, session = self._clock, self._gateway.session
        self._telemetry_at = self._latest_at = losses_at = clock.ticks_ms()
        self._assets_at = clock.ticks_add(losses_at, FIRST_ASSETS_MS)
        connects = 0
        while True:
            await sleep_ms(TICK_MS)
            now = clock.ticks_ms()
            if clock.ticks_diff(now, losses_at) >= 0:
                losses_at = clock.ticks_add(now, self._telemetry_ms)
                self._gateway.tell_losses()
            if not session.ready:
                continue
            if session.connects != connects:
                connects = session.connects
                self._telemetry_at = self._latest_at = now
                self._discovered = None
                self._alarms_told = 0
                if self._gateway.latest:
                    self._gateway.latest.refresh()
            try:
                await self._tell(now, sleep_ms)
            except MemoryError:  # no room for a text now: polling goes on, and it is said a little later
                await sleep_ms(AGAIN_MS)

    async def _tell(self, now, sleep_ms):
        """What is due."""
        clock = self._clock
        if self._homeassistant and self._discovered != self._gateway._stored:
            await self._discover(self._gateway._stored, sleep_ms)
        if clock.ticks_diff(now, self._telemetry_at) >= 0:
            told = await self._telemetry(sleep_ms)
            self._telemetry_at = clock.ticks_add(now, self._telemetry_ms if told else AGAIN_MS)
        edge = self._gateway.edge
        if edge and edge.alarms and edge.alarms.changed != self._alarms_told:
            await self._alarms(edge.alarms.changed, sleep_ms)
        if self._latest_ms and clock.ticks_diff(now, self._latest_at) >= 0:
            self._latest_at = clock.ticks_add(now, self._latest_ms)
            await self._latest(sleep_ms)
        if self._assets_ms and clock.ticks_diff(now, self._assets_at) >= 0:
            told = await self._assets(sleep_ms)
            self._assets_at = clock.ticks_add(now, max(self._assets_ms, LEAST_ASSETS_MS) if told else AGAIN_MS)

    async def _say(self, topic, pieces, sleep_ms):
        """Make a text and leave it with the publisher; returns its length, 0 when the session has gone meanwhile."""
        made = []
        for piece in pieces:
            made.append(piece)
            await sleep_ms(0)
            await self._gateway.room(sleep_ms)
        text = "".join(made)
        publisher, session = self._gateway.publisher, self._gateway.session
        while publisher.notice is not None:
            if not session.ready:
                return 0
            await sleep_ms(10)
        publisher.notice = (topic, text)
        return len(text)

    async def _telemetry(self, sleep_ms):
        vitals = self._vitals or await self._gateway.keeper.load(_vitals, sleep_ms)
        if vitals is None:
            return False
        self._unit = await vitals.tell(self._gateway, self._unit, sleep_ms, self._say)
        if self._telemetry_ms < vitals.KEEP_MS:
            self._vitals = vitals
        else:
            vitals.forget()
        return True

    async def _discover(self, stored, sleep_ms):
        from gateway import homeassistant, schema

        gateway = self._gateway
        for line in schema.lines(stored):
            for topic, pieces in homeassistant.messages(line, gateway.box, gateway.base, self._homeassistant):
                if not await self._say(topic, pieces, sleep_ms):
                    return  # again with the next session
        self._discovered = stored

    async def _latest(self, sleep_ms):
        latest = self._gateway.latest
        for _ in range(256):  # groups have numbers below 255
            i = latest.next()
            if i < 0:
                return
            if not await self._say(latest.topic(i), latest.pieces(i, self._clock), sleep_ms):
                return

    async def _alarms(self, changed, sleep_ms):
        alarm_list = await self._gateway.keeper.load(_alarm_list, sleep_ms)
        if alarm_list is None:
            return
        if await self._say("alarms", alarm_list.report(self._gateway), sleep_ms):
            self._alarms_told = changed
        alarm_list.forget()
        await sleep_ms(1000)  # however fast they change

    async def _assets(self, sleep_ms):
        gateway = self._gateway
        inventory = await gateway.keeper.load(_inventory, sleep_ms)
        if inventory is None:
            return False
        try:
            await inventory.update(gateway, self._asked, sleep_ms, self._say)
        finally:
            inventory.forget()
        return True


def _vitals():
    from gateway import vitals

    return vitals


def _alarm_list():
    from gateway import alarm_list

    return alarm_list


def _inventory():
    from gateway import inventory

    return inventory
