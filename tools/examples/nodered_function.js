// The text of a Node-RED function node: batches of a Fieldgate box in, one message per sample out.
//
// Wiring: an "mqtt in" node (topic <base>/#, QoS 1, output "a Buffer") in front of it. The decoders come from
// settings.js, as Node-RED's documentation says for modules in function nodes:
//
//     functionGlobalContext: { fieldgate: { columns: require("/data/decode_batch.js").samples,
//                                           typed: require("/data/decode_typed.js").samples } }
//
// msg.topic becomes <base>/<unit>, msg.payload { time, quality, uptime_ms, <point>: value, ... }; time is null while the
// box does not know UTC. Values are scaled as the meta says. A batch that comes before its meta waits.
const WAITING = 100;
const decoders = global.get("fieldgate");
const metas = context.get("metas") || {};
const waiting = context.get("waiting") || [];
const base = (topic, parts) => topic.split("/").slice(0, -parts).join("/");

function scaled(value, point, values) { // values: all of the sample
  if (typeof value !== "number" || (point.scale === 1 && point.offset === 0 && !point.scale_from)) return value;
  let factor = point.scale;
  if (point.scale_from) {
    const by = values[point.scale_from], divisor = point.scale_as === "divisor";
    if (typeof by !== "number" || (divisor ? by <= 0 : Math.abs(by) > 10)) return null;
    factor *= divisor ? 1 / by : 10 ** (point.scale_as === "exponent" ? by : -by);
  }
  return Number((value * factor + point.offset).toPrecision(12)); // 237 x 0.1 is 23.7
}

function decoded(message) { // messages, or null while a meta is missing
  const decode = message.payload[1] === 0 ? decoders.columns : decoders.typed; // first key: 0 or "format"
  const asked = new Proxy(metas, { get: (all, key) => { if (!(key in all)) throw new RangeError(key); return all[key]; } });
  let samples;
  try {
    samples = decode(message.payload, asked);
  } catch (error) {
    if (error instanceof RangeError && !(error.message in metas) && error.message.includes("/")) return null;
    node.warn(`${message.topic}: not a batch: ${error.message}`);
    return [];
  }
  const points = {};
  for (const meta of Object.values(metas)) {
    for (const point of meta.points) points[meta.unit + "." + point.name] = point;
  }
  return samples.map((sample) => ({
    topic: base(message.topic, 1) + "/" + sample.unit,
    payload: { time: sample.utc_ms === null ? null : new Date(sample.utc_ms), quality: sample.quality,
      uptime_ms: sample.uptime_ms, ...Object.fromEntries(Object.entries(sample.values)
        .map(([name, value]) => [name, scaled(value, points[sample.unit + "." + name], sample.values)])) },
  }));
}

const parts = msg.topic.split("/");
if (parts[parts.length - 3] === "meta") {
  const meta = JSON.parse(msg.payload.toString());
  metas[meta.schema + "/" + meta.group] = meta;
  context.set("metas", metas);
} else if (parts[parts.length - 1] === "data") {
  waiting.push({ topic: msg.topic, payload: msg.payload });
  if (waiting.length > WAITING) node.warn(`${waiting.shift().topic}: no meta came, a batch is dropped`);
} else {
  return null;
}
const out = [];
for (let i = 0; i < waiting.length;) {
  const messages = decoded(waiting[i]);
  if (messages === null) { i++; continue; }
  waiting.splice(i, 1);
  out.push(...messages);
}
context.set("waiting", waiting);
return out.length ? [out] : null;
