"""The Python prompt: see ports/prompt.py."""

from machine import Timer

from ports.prompt import Holder

_holder = Holder(Timer(3))
hold = _holder.hold
release = _holder.release
