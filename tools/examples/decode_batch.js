// Decodes one Fieldgate batch (lib/uplink/FORMAT.md) in plain Node.js, no packages. Copy it, change it.
//
//     node decode_batch.js BATCH META.json...
//
// BATCH: a payload of <base>/data. META.json: the retained <base>/meta/<schema>/<group>. One JSON line per sample.
"use strict";

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

function column(data, kind, count) { // the words' bytes
  const mode = data[0], size = width(kind);
  data = data.subarray(1);
  let words;
  if (mode >= 16) { // decimals
    return differences(data).map((k) => {
      const bytes = Buffer.alloc(4);
      bytes.writeFloatBE(k / 10 ** (mode - 16));
      return bytes;
    });
  }
  if (mode === 1) {
    words = differences(data).map((word) => {
      const bytes = Buffer.alloc(4);
      bytes.writeInt32BE(word);
      return bytes.subarray(4 - size);
    });
  } else if (kind === "bool") {
    words = Array.from({ length: mode ? 1 : count }, (_, i) => Buffer.from([(data[i >> 3] >> (i & 7)) & 1]));
  } else words = Array.from({ length: data.length / size }, (_, i) => data.subarray(i * size, (i + 1) * size));
  return mode === 2 ? new Array(count).fill(words[0]) : words;
}

function columnsOf(columns, points, count) { // the bytes of each point
  const found = [];
  let next = 0, before = null;
  for (const point of points) {
    if (shares(point, before)) { found.push(found[found.length - 1]); continue; }
    before = point;
    const size = width(point.type), plain = size <= 4 && !/^(bcd|string)/.test(point.type);
    const kinds = plain ? [point.type] : [...new Array(size >> 2).fill("uint32"), ...(size & 2 ? ["uint16"] : [])];
    const parts = kinds.map((kind) => column(columns[next++], kind, count));
    found.push(Array.from({ length: count }, (_, i) => Buffer.concat(parts.map((part) => part[i]))));
  }
  return found;
}

function fromRow(row, point) {
  if (point.type === "bool") return Buffer.from([(row[point.at >> 3] >> (point.at & 7)) & 1]);
  const bytes = Buffer.from(row.subarray(2 * point.at, 2 * point.at + width(point.type)));
  if (point.order === "CDAB" || point.order === "DCBA") bytes.reverse(); // words in reverse, and their bytes
  return point.order === "CDAB" || point.order === "BADC" ? bytes.swap16() : bytes;
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
    const table = good === 0 ? [] : !rows ? columnsOf(columns, meta.points, good) : meta.points.map((point) =>
      Array.from({ length: good }, (_, i) => fromRow(columns[0].subarray(1 + i * size, 1 + (i + 1) * size), point)));
    let time = top.get(6), row = 0;
    differences(times).forEach((step, i) => {
      time += step;
      const values = qualities[i] ? {} : Object.fromEntries(
        meta.points.map((point, p) => [point.name, number(table[p][row], point)]));
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
