"""The verb alarms: what wants attention, acknowledging it, and what every alarm says."""

from console import audit_chain as chain
from console import verbs
from console.verbs import Refused


def alarms(shell, words):
    """alarms [all | ack name|all | relearn name]"""
    edge = shell.gateway.edge
    if not edge or not edge.alarms:
        raise Refused(verbs.MISSING, "no alarm is configured: set alarms in the OT half")
    if words and words[0] == "ack" and len(words) == 2:
        yield from _acknowledge(shell, edge, words[1])
    elif words and words[0] == "relearn" and len(words) == 2:
        yield from _relearn(shell, edge, words[1])
    elif not words or words == ["all"]:
        yield from _listed(shell.gateway, edge, bool(words))
    else:
        raise Refused(verbs.VALUE, "found %s, allowed all, ack name|all, relearn name" % " ".join(words)[:40])


def _listed(gateway, edge, everything):
    from gateway import alarm_list  # what it imports is there already where alarms are

    places = list(range(len(edge.alarms.alarms))) if everything else alarm_list.order_of(edge)
    for i in places:
        alarm = edge.alarms.alarms[i]
        severity, text = edge.about[i]
        since = ""
        if alarm.listed and alarm.since_ms is not None:
            since = " for %d s" % ((gateway.uptime.ms() - alarm.since_ms) // 1000)
        elif alarm.listed:
            since = " since before the start"
        known = "" if alarm.known or not alarm.listed else ", not known now"
        line = "%s %s: %s%s%s: %s %s" % (
            severity, alarm.name, alarm_list.state_of(alarm), since, known, edge.inputs.names[alarm.index],
            edge.shown(alarm),
        )  # fmt: skip
        yield line + (": " + text if text else "")
        if alarm.watch and not alarm.watch.learned():
            yield "  still learns what is usual in this state"
    unknown = [alarm for alarm in edge.alarms.alarms if not alarm.state]
    if not places:
        yield "no alarm wants attention, %d are configured" % len(edge.alarms.alarms)
    if unknown and not everything:
        yield "%d are not known yet: type alarms all" % len(unknown)
    if edge.alarms.suppressed:
        yield "%d events were too many to be recorded" % edge.alarms.suppressed


def _found(edge, name):
    for alarm in edge.alarms.alarms:
        if alarm.name == name:
            return alarm
    raise Refused(verbs.VALUE, "no alarm %s: type alarms all" % name[:32])


def _acknowledge(shell, edge, name):
    shell.need("ot")
    chosen = edge.alarms.alarms if name == "all" else [_found(edge, name)]
    done = [alarm.name for alarm in chosen if edge.acknowledge(alarm)]
    for name in done:
        chain.note(shell, "alarm %s acknowledged" % name)
        yield "acknowledged: " + name
    if not done:
        yield "nothing to acknowledge"


def _relearn(shell, edge, name):
    shell.need("ot")
    alarm = _found(edge, name)
    if not alarm.watch:
        raise Refused(verbs.VALUE, "%s does not learn: relearn is for entries of anomaly" % name)
    alarm.watch.forget()
    chain.note(shell, "alarm %s learns anew" % name)
    yield "%s learns anew" % name
