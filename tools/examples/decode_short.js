// The default payload in about 30 lines: bools, integers and floats of 16 and 32 bits; decode_batch.js knows the rest.
//
//     node decode_short.js BATCH META.json...      (needs no package; prints one JSON line per sample)
"use strict";
const fs = require("fs");
const SIZES = { uint16: 2, int16: 2, uint32: 4, int32: 4, float32: 4 };

function cbor(data, at) { // [item, place after it]; a map is a list of its keys and values
  const major = data[at] >> 5, small = data[at++] & 31, size = small < 24 ? 0 : 1 << (small - 24);
  if (major === 7) return [null, at];
  const n = size === 8 ? Number(data.readBigUInt64BE(at)) : size ? data.readUIntBE(at, size) : small;
  at += size;
  if (major < 2) return [major ? -1 - n : n, at];
  if (major < 4) return [data.subarray(at, at + n), at + n];
  const items = [];
  for (let i = 0, item; i < n * (major - 3); i++) [item, at] = cbor(data, at), items.push(item);
  return [items, at];
}
function varints(data) {
  const found = [];
  let value = 0, scale = 1;
  for (const byte of data) {
    value += (byte & 127) * scale, scale *= 128;
    if (byte < 128) found.push(value), value = 0, scale = 1;
  }
  return found;
}
function sums(data) {
  let total = 0;
  return varints(data).map((z) => (total = (total + (z % 2 ? -(z + 1) / 2 : z / 2)) | 0));
}
function column(data, kind, count) {
  const mode = data[0], rest = data.subarray(1), size = SIZES[kind], each = Array.from({ length: count }, (_, i) => i);
  if (mode >= 16) return sums(rest).map((k) => Math.fround(k / 10 ** (mode - 16)));
  if (kind === "bool") return (mode === 1 ? sums(rest) : each.map((i) => (mode === 2 ? rest[0] : rest[i >> 3] >> (i & 7)))).map((b) => Boolean(b & 1));
  const words = Buffer.alloc(8 + size * count);
  if (mode === 1) sums(rest).forEach((n, i) => (size === 2 ? words.writeUInt16BE(n & 0xffff, 2 * i) : words.writeInt32BE(n, 4 * i)));
  else each.forEach((i) => rest.copy(words, size * i, mode === 2 ? 0 : size * i, mode === 2 ? size : size * i + size));
  const read = { uint16: "readUInt16BE", int16: "readInt16BE", uint32: "readUInt32BE", int32: "readInt32BE", float32: "readFloatBE" };
  return each.map((i) => words[read[kind]](size * i));
}
const pairs = (list) => list.filter((_, i) => i % 2 === 0).map((key, i) => [key, list[2 * i + 1]]);
const top = new Map(pairs(cbor(fs.readFileSync(process.argv[2]), 0)[0]));
const metas = process.argv.slice(3).map((path) => JSON.parse(fs.readFileSync(path)));
for (const [group, [times, runs, ...columns]] of pairs(top.get(8))) {
  const { points } = metas.find((meta) => meta.group === group && meta.schema === top.get(3).toString("hex"));
  const qualities = pairs(varints(runs)).flatMap(([quality, n]) => Array(n).fill(quality));
  const found = columns.map((data, i) => column(data, points[i].type, qualities.filter((q) => q === 0).length));
  let row = 0, time = top.get(6);
  sums(times).forEach((step, i) => {
    const values = qualities[i] ? [] : points.map((point, k) => [point.name, found[k][row]]);
    row += qualities[i] === 0;
    time += step;
    console.log(JSON.stringify({ group, uptime_ms: time, quality: qualities[i], values: Object.fromEntries(values) }));
  });
}
