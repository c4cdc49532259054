"""Reads a Sparkplug payload with the package `tahu`, for a process of its own: `python tahu_reader.py < payloads`.

Input: one payload in hex per line. Output: one JSON object per line. tahu's generated code is of 2021 and needs
protobuf's pure Python; in a process with pysparkplug it would register the same file twice.
"""

import json
import os
import sys

os.environ["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = "python"

from tahu import sparkplug_b_pb2  # noqa: E402  (the variable must be set before)


def read(data: bytes) -> dict:
    payload = sparkplug_b_pb2.Payload()
    assert payload.ParseFromString(data) == len(data)
    metrics = []
    for metric in payload.metrics:
        field = metric.WhichOneof("value")
        value = getattr(metric, field) if field else None
        properties = {
            key: getattr(value_, value_.WhichOneof("value"))
            for key, value_ in zip(metric.properties.keys, metric.properties.values, strict=True)
        }
        metrics.append(
            {"name": metric.name if metric.HasField("name") else None,
             "alias": metric.alias if metric.HasField("alias") else None, "timestamp": metric.timestamp,
             "datatype": metric.datatype, "historical": metric.is_historical, "null": metric.is_null,
             "field": field, "value": value, "properties": properties}
        )  # fmt: skip
    return {"timestamp": payload.timestamp, "seq": payload.seq if payload.HasField("seq") else None,
            "metrics": metrics}  # fmt: skip


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(read(bytes.fromhex(line))))
