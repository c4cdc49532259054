"""Settings of the MQTT session and what they are when nobody says."""

# What a Session can be told; ranges are the caller's to check (gateway.config does).
DEFAULTS = {
    "user": None,
    "password": None,
    "keep_alive_s": 20,  # 5..3600
    "window": 16,  # 1..64 packets without acknowledgement
    "buffer_bytes": 8192,  # packets in the window, at most 65535
    "topic_bytes": 224,  # longest topic
    "connect_timeout_ms": 5000,
    "handshake_timeout_ms": 20000,
    "connack_timeout_ms": 5000,
    "ack_timeout_ms": 10000,  # without progress, plus _SLOWEST_MS_PER_BYTE for each byte that waits
    "backoff_min_ms": 500,
    "backoff_max_ms": 10000,
    "handshake_gap_ms": 30000,  # from one TLS handshake to the next at least: each one stops the bus for seconds
    "tls_brokers": (),  # numbers of the brokers, from 0, to which the network seam speaks TLS
}
