// Decodes one Fieldgate batch (lib/uplink/FORMAT.md) in plain Node.js, no packages. Copy it, change it.
//
//     node decode_batch.js BATCH META.json...
//
// BATCH: a payload of <base>/data. META.json: the retained <base>/meta/<schema>/<group>. One JSON line per sample.
"use strict";

const BITS = { bool: 1, uint16: 16, int16: 16, uint32: 32, int32: 32, float32: 32 };
const ORDER = { ABCD: [0, 1, 2, 3], BADC: [1, 0, 3, 2], CDAB: [2, 3, 0, 1], DCBA: [3, 2, 1, 0] };

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
  if (major < 4) return [major === 2 ? data.subarray(at, at + n) : data.toString("utf8", at, at + n), at + n];
  const items = [];
  for (let i = 0; i < n * (major - 3); i++) {
    const [item, end] = cbor(data, at);
    items.push(item);
    at = end;
  }
  if (major === 4) return [items, at];
  return [new Map(items.filter((_, i) => i % 2 === 0).map((key, i) => [key, items[2 * i + 1]])), at];
}

function varints(data) {
  const out = [];
  let value = 0, scale = 1;
  for (const byte of data) {
    value += (byte & 127) * scale;
    scale *= 128;
    if (byte < 128) { out.push(value); value = 0; scale = 1; }
  }
  return out;
}

function differences(data) { // running sums, as signed 32-bit numbers
  let word = 0;
  return varints(data).map((token) => (word = (word + (token % 2 ? -(token + 1) / 2 : token / 2)) | 0));
}

function number(word, kind) { // word: any number whose low bits are the value's
  if (kind === "bool") return Boolean(word & 1);
  if (kind === "uint16") return word & 0xffff;
  if (kind === "int16") return (word << 16) >> 16;
  if (kind === "uint32") return word >>> 0;
  if (kind === "int32") return word | 0;
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(word >>> 0);
  return bytes.readFloatBE();
}

function column(data, kind, count) {
  const mode = data[0], size = BITS[kind] / 8;
  data = data.subarray(1);
  if (mode >= 16) return differences(data).map((k) => Math.fround(k / 10 ** (mode - 16))); // decimals
  let words;
  if (mode === 1) words = differences(data);
  else if (kind === "bool") words = Array.from({ length: mode ? 1 : count }, (_, i) => data[i >> 3] >> (i & 7));
  else words = Array.from({ length: data.length / size }, (_, i) => data.readUIntBE(i * size, size));
  if (mode === 2) words = new Array(count).fill(words[0]);
  return words.map((word) => number(word, kind));
}

function fromRow(row, point) {
  if (point.type === "bool") return Boolean((row[point.at >> 3] >> (point.at & 7)) & 1);
  const at = 2 * point.at;
  if (BITS[point.type] === 16) return number(row.readUInt16BE(at), point.type);
  return number(Buffer.from(ORDER[point.order].map((i) => row[at + i])).readUInt32BE(), point.type);
}

function samples(payload, metas) { // metas: {"schema/group": meta object}
  const top = cbor(payload)[0], out = [];
  if (top.get(0) !== 1) throw new Error("another format version");
  for (const [group, [times, runs, ...columns]] of top.get(8)) {
    const meta = metas[top.get(3).toString("hex") + "/" + group], qualities = [];
    for (let at = 0; at < runs.length;) {
      let end = at + 1;
      while (runs[end++] > 127);
      for (let i = varints(runs.subarray(at + 1, end))[0]; i > 0; i--) qualities.push(runs[at]);
      at = end;
    }
    const good = qualities.filter((quality) => quality === 0).length;
    const rows = columns.length > 0 && columns[0][0] === 3; // whole rows instead of columns
    const size = rows ? (columns[0].length - 1) / good : 0;
    const table = meta.points.map((point, p) => good === 0 ? [] : !rows ? column(columns[p], point.type, good)
      : Array.from({ length: good }, (_, i) => fromRow(columns[0].subarray(1 + i * size, 1 + (i + 1) * size), point)));
    let time = top.get(6), row = 0;
    differences(times).forEach((step, i) => {
      time += step;
      const values = qualities[i] ? {} : Object.fromEntries(meta.points.map((point, p) => [point.name, table[p][row]]));
      row += qualities[i] ? 0 : 1;
      out.push({ unit: meta.unit, uptime_ms: time, utc_ms: top.get(7) === null ? null : top.get(7) + time - top.get(6),
        quality: qualities[i], values });
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
