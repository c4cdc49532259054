"""The end of a run that nobody planned: what waits in RAM still goes to flash. Loaded then, and only then."""

import asyncio
import gc

from flashlog.records import Block

SAFE = "what was measured is in flash"
LOST = "what was not in flash yet is lost (at most one block)"


def keep(gateway):
    """Write the blocks that are in RAM; returns SAFE or LOST. Nothing is written where a write to flash was what ended.

    Any error of this last attempt is an answer, too: the one that ended the run is the one to be told.
    """
    if gateway.keeper.writing:
        return LOST  # the log does not know what stands on flash: the next start looks
    asyncio.new_event_loop()  # the tasks that have ended hold memory
    gc.collect()
    try:
        for block in gateway.recorder.waiting():
            payload = block.payload()
            # Ctrl-C may have come between a row and its count.
            gateway.log.append(payload, sum([1 for _ in Block(payload)]))
        position = gateway.publisher.acknowledged()
        if position is not None:
            gateway.log.ack(position)
    except Exception:
        return LOST
    return SAFE
