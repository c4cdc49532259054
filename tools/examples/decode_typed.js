// Decodes one Fieldgate message of typed arrays (lib/uplink/FORMAT.md) in plain Node.js. Copy it, change it.
//
//     node decode_typed.js MESSAGE META.json...
//
// MESSAGE: a payload of <base>/data. META.json: the retained <base>/meta/<schema>/<group>. One JSON line per sample.
// A CBOR library that knows RFC 8746 does the work of `cbor` and `ARRAYS`.
"use strict";

const ARRAYS = { 64: Uint8Array, 69: Uint16Array, 70: Uint32Array, 71: BigUint64Array, 77: Int16Array, 78: Int32Array,
  79: BigInt64Array, 85: Float32Array, 86: Float64Array };

function width(kind) { // bytes of a type; 0 for a bool
  return kind === "bool" ? 0 : kind.startsWith("string") ? Number(kind.slice(6)) : Number(kind.slice(-2)) / 8;
}

// The value without scale and offset; null if it is not available. bytes: most significant first. Whole numbers that a
// Number does not hold become text. (Patterns of 64 bits: JSON.parse rounds, so write "ff" for all bits set.)
function number(bytes, point) {
  const kind = point.type, bits = 8 * bytes.length, word = BigInt("0x" + bytes.toString("hex"));
  for (const item of point.na || []) {
    if (item !== "nan" && word === BigInt.asUintN(bits, item === "ff" ? -1n : BigInt(item))) return null;
  }
  if (kind === "bool") return Boolean(word & 1n);
  if (kind.startsWith("float")) {
    const value = bits === 32 ? bytes.readFloatBE() : bytes.readDoubleBE();
    return Number.isFinite(value) ? value : null;
  }
  if (kind.startsWith("string")) {
    const end = bytes.indexOf(0), text = end < 0 ? bytes : bytes.subarray(0, end);
    const utf8 = text.toString("utf8");
    return (utf8.includes("\ufffd") ? text.toString("latin1") : utf8).replace(/ +$/, "");
  }
  if (kind.startsWith("bcd")) return /^\d+$/.test(bytes.toString("hex")) ? Number(bytes.toString("hex")) : null;
  if ("bit" in point) return Boolean(word >> BigInt(point.bit) & 1n);
  if ("bits" in point) return Number(BigInt.asUintN(point.bits[1], word >> BigInt(point.bits[0])));
  const whole = kind.startsWith("int") ? BigInt.asIntN(bits, word) : word;
  return Number.isSafeInteger(Number(whole)) ? Number(whole) : String(whole);
}

function shares(point, before) { // further bits of one register have no column of their own
  return Boolean(before) && ("bit" in point || "bits" in point)
    && ["at", "type", "order"].every((key) => point[key] === before[key]);
}

function valuesOf(arrays, points) { // for each point a function that gives a sample's value
  let next = 0, before = null, array;
  return points.map((point) => {
    if (!shares(point, before)) { array = arrays[next++]; before = point; }
    const mine = array, size = width(point.type) || 1;
    return (row) => {
      const bytes = Buffer.from(Buffer.from(mine.buffer, row * size, size)); // a copy, little-endian but for strings
      return number(point.type.startsWith("string") ? bytes : bytes.reverse(), point);
    };
  });
}

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
    const values = group.values ? valuesOf(group.values, meta.points) : [];
    let row = 0;
    group.times_ms.forEach((time, i) => {
      const quality = group.quality[i], points = quality === 0 ? meta.points : [];
      out.push({ unit: meta.unit, uptime_ms: top.uptime_ms + time, utc_ms: top.utc_ms === null ? null : top.utc_ms + time,
        quality, values: Object.fromEntries(points.map((point, p) => [point.name, values[p](row)])) });
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
