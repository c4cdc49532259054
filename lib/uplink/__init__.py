"""The uplink library: an MQTT session that never blocks, and the CBOR batch format (FORMAT.md).

It knows nothing of the application and imports no hardware module. DESIGN.md draws the session's states.
"""
