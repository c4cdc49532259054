// Reads Sparkplug payloads with the npm package sparkplug-payload: `NODE_PATH=.../node_modules node npm_reader.js`.
// Input: one payload in hex per line. Output: one JSON object per line; 64-bit numbers as text.
"use strict";

const payload = require("sparkplug-payload").get("spBv1.0");
const plain = (value) => { // what JSON has no form for becomes text
  if (Object.is(value, -0)) return "-0";
  return value !== null && typeof value === "object" && "low" in value ? value.toString() : value;
};

for (const line of require("fs").readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const decoded = payload.decodePayload(Buffer.from(line, "hex"));
  console.log(JSON.stringify({
    timestamp: plain(decoded.timestamp), seq: plain(decoded.seq),
    metrics: decoded.metrics.map((metric) => ({
      name: metric.name, alias: plain(metric.alias), type: metric.type, value: plain(metric.value),
      timestamp: plain(metric.timestamp), historical: Boolean(metric.isHistorical),
    })),
  }));
}
