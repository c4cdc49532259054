// Decodes one Fieldgate message of typed arrays (lib/uplink/FORMAT.md) in plain Node.js. Copy it, change it.
//
//     node decode_typed.js MESSAGE META.json...
//
// MESSAGE: a payload of <base>/data. META.json: the retained <base>/meta/<schema>/<group>. One JSON line per sample.
// A CBOR library that knows RFC 8746 does the work of `cbor` and `ARRAYS`.
"use strict";

const ARRAYS = { 64: Uint8Array, 69: Uint16Array, 70: Uint32Array, 77: Int16Array, 78: Int32Array, 85: Float32Array };

function cbor(data, at = 0) { // returns [item, place after it]
  const first = data[at++], major = first >> 5;
  let n = first & 31;
  if (first === 0xf6) return [null, at];
  if (n > 23) {
    const size = 1 << (n - 24);
    n = size === 8 ? Number(data.readBigUInt64BE(at)) : data.readUIntBE(at, size);
    at += size;
  }
  if (major < 2) return [major ? -1 - n : n, at];
  if (major === 2) return [data.subarray(at, at + n), at + n];
  if (major === 3) return [data.toString("utf8", at, at + n), at + n];
  if (major === 6) { // a typed array, little-endian like this machine
    const [bytes, end] = cbor(data, at);
    return [new ARRAYS[n](Uint8Array.from(bytes).buffer), end];
  }
  const items = [];
  for (let i = 0, item; i < n * (major - 3); i++) items.push(([item, at] = cbor(data, at))[0]);
  if (major === 4) return [items, at];
  return [Object.fromEntries(items.filter((_, i) => i % 2 === 0).map((key, i) => [key, items[2 * i + 1]])), at];
}

function samples(payload, metas) { // metas: {"schema/group": meta object}
  const top = cbor(payload)[0], out = [];
  for (const group of top.groups) {
    const meta = metas[top.schema + "/" + group.group];
    let row = 0;
    group.times_ms.forEach((time, i) => {
      const quality = group.quality[i], points = quality === 0 ? meta.points : [];
      out.push({ unit: meta.unit, uptime_ms: top.uptime_ms + time, utc_ms: top.utc_ms === null ? null : top.utc_ms + time,
        quality, values: Object.fromEntries(points.map((point, p) => [point.name, group.values[p][row]])) });
      if (quality === 0) row++;
    });
  }
  return out;
}

module.exports = { samples };
if (require.main === module) {
  const fs = require("fs"), metas = {};
  for (const path of process.argv.slice(3)) {
    const meta = JSON.parse(fs.readFileSync(path, "utf8"));
    metas[meta.schema + "/" + meta.group] = meta;
  }
  for (const sample of samples(fs.readFileSync(process.argv[2]), metas)) console.log(JSON.stringify(sample));
}
