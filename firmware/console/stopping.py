"""Asked before polling stops for long: a person agrees, in full where a unit acts when it is not asked."""

from console.verbs import Ask, wrapped


def agreed(buses, what, stop_ms):
    """Yields lines and the question; returns True if polling of `buses` may stop. what: for the question."""
    word = "y"
    for bus in buses:
        for unit in bus.plan.units:
            if 0 < unit.comm_loss_ms <= stop_ms:
                word = "yes"
                line = "!  %s (%d) acts when nobody asks it for %d ms (comm_loss_ms): is the machine safe?"
                yield from wrapped(line % (unit.name, unit.unit_id, unit.comm_loss_ms))
    answer = ((yield Ask("%s. Go on? %s: " % (what, word))) or "").strip().lower()
    return answer == word or (answer == "yes" and word == "y")
