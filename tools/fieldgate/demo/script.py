"""What happens when in the demo, as plain data."""

from enum import Enum
from typing import NamedTuple

MIN_SECONDS = 15


class Action(Enum):
    """What the demo does at a step."""

    BROKER_STOPS = "broker stops"
    BROKER_RETURNS = "broker returns"
    FIRMWARE_KILLED = "firmware is killed"
    END_MARK = "end mark"


class Step(NamedTuple):
    """`at_s`: seconds since the first sample arrived."""

    at_s: float
    action: Action


def script(seconds: float, kill: bool) -> list[Step]:
    """The outage takes the second quarter and a bit of the run, so that the log fills and has time to drain."""
    steps = [
        Step(seconds * 0.30, Action.BROKER_STOPS),
        Step(seconds * 0.60, Action.BROKER_RETURNS),
        Step(seconds, Action.END_MARK),
    ]
    if kill:
        steps.append(Step(seconds * 0.80, Action.FIRMWARE_KILLED))
    return sorted(steps, key=lambda step: step.at_s)


def describe(action: Action) -> str:
    """One plain sentence."""
    return {
        Action.BROKER_STOPS: "broker stopped: samples go to flash and wait there",
        Action.BROKER_RETURNS: "broker is back on the same port: the log drains",
        Action.FIRMWARE_KILLED: "firmware killed (kill -9) and started again: it goes on from its log",
        Action.END_MARK: "end mark: all that was served until now must arrive",
    }[action]
