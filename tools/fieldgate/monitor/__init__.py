"""The monitor: a consumer of the box's MQTT topics that knows nothing but what the box publishes.

It promises to decode with the retained metadata only (no configuration file, no firmware source), to keep
the raw words of every value, to count and show what it could not read, and never to stop on bad input.
"""
