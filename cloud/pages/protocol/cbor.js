/**
 * Deterministic CBOR (RFC 8949 section 4.2.1), the subset that Kannuki puts on the wire.
 * Mirrors protocol/cbor.py; vectors: cbor.json.
 *
 *   encode(value) -> Uint8Array          the one encoding; throws CborError
 *   decode(raw, tags = []) -> value      of exactly one item that fills `raw`; throws CborError
 *
 * integers: Number where it is exact, BigInt beyond 2^53; byte strings: Uint8Array (a copy);
 * text: string; arrays: Array; maps: Map (keys: integers, text or bytes); false, true, null;
 * tags that the caller names: Tag. Everything else is refused: floats, indefinite lengths, other
 * simple values, longer forms, trailing bytes, depth beyond MAX_DEPTH.
 */

import { compare, concat, utf8 } from "./bytes.js";
import { CborError } from "./errors.js";

export { CborError };
export const MAX_DEPTH = 8;
export const MAX_ITEM_BYTES = 65536;

const [UINT, NINT, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE] = [0, 1, 2, 3, 4, 5, 6, 7];
const LIMIT = 1n << 64n;
// The WHATWG decoder refuses what RFC 3629 refuses: overlong forms, surrogates, beyond U+10FFFF.
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class Tag {
  constructor(number, value) {
    this.number = number;
    this.value = value;
  }
}

export function encode(value) {
  const out = [];
  write(value, out, 0);
  return concat(...out);
}

export function decode(raw, tags = []) {
  if (!(raw instanceof Uint8Array)) throw new CborError("not a byte string");
  if (raw.length > MAX_ITEM_BYTES) throw new CborError("longer than the largest item");
  const reader = new Reader(raw, tags);
  const value = reader.item(0);
  if (reader.at !== raw.length) throw new CborError("trailing bytes");
  return value;
}

// --- encoding ---

function write(value, out, depth) {
  if (depth > MAX_DEPTH) throw new CborError("nested too deep");
  if (value === null) out.push(Uint8Array.of(0xf6));
  else if (typeof value === "boolean") out.push(Uint8Array.of(value ? 0xf5 : 0xf4));
  else if (typeof value === "number" || typeof value === "bigint") out.push(integer(value));
  else if (value instanceof Uint8Array) out.push(head(BYTES, value.length), value);
  else if (typeof value === "string") writeText(value, out);
  else if (Array.isArray(value)) {
    out.push(head(ARRAY, value.length));
    for (const item of value) write(item, out, depth + 1);
  } else if (value instanceof Map) writeMap(value, out, depth);
  else if (value instanceof Tag && isInteger(value.number) && value.number >= 0) {
    out.push(head(TAG, value.number));
    write(value.value, out, depth + 1);
  } else throw new CborError("no encoding for this type");
}

function isInteger(value) {
  return Number.isSafeInteger(value) || typeof value === "bigint";
}

function integer(value) {
  if (!isInteger(value)) throw new CborError("not an exact integer");
  if (value >= 0) return head(UINT, value);
  return head(NINT, typeof value === "bigint" ? -1n - value : -1 - value);
}

function writeText(value, out) {
  if (/\p{Surrogate}/u.test(value)) throw new CborError("text is not valid Unicode");
  const raw = utf8(value);
  out.push(head(TEXT, raw.length), raw);
}

function writeMap(value, out, depth) {
  const pairs = [];
  for (const [key, item] of value) {
    checkKey(key);
    const inner = [];
    write(item, inner, depth + 1);
    pairs.push([encode(key), concat(...inner)]);
  }
  pairs.sort((a, b) => compare(a[0], b[0]));
  out.push(head(MAP, pairs.length));
  pairs.forEach(([key, item], at) => {
    // Keys that are different objects here may be one key there.
    if (at > 0 && compare(pairs[at - 1][0], key) === 0) throw new CborError("the same key twice");
    out.push(key, item);
  });
}

function head(major, argument) {
  const lead = major << 5;
  if (argument < 24) return Uint8Array.of(lead | Number(argument));
  if (argument < 0x100) return Uint8Array.of(lead | 24, Number(argument));
  const size = argument < 0x10000 ? 2 : argument < 0x100000000 ? 4 : 8;
  let rest = BigInt(argument);
  if (rest >= LIMIT) throw new CborError("integer beyond 64 bits");
  const out = new Uint8Array(1 + size);
  out[0] = lead | (size === 2 ? 25 : size === 4 ? 26 : 27);
  for (let at = size; at > 0; at -= 1) {
    out[at] = Number(rest & 255n);
    rest >>= 8n;
  }
  return out;
}

// --- decoding ---

class Reader {
  constructor(raw, tags) {
    this.raw = raw;
    this.tags = tags;
    this.at = 0;
  }

  item(depth) {
    if (depth > MAX_DEPTH) throw new CborError("nested too deep");
    const [major, argument] = this.head();
    if (major === UINT) return argument;
    if (major === NINT) return exact(-1n - BigInt(argument));
    if (major === BYTES) return this.take(argument);
    if (major === TEXT) return text(this.take(argument));
    if (major === ARRAY) return this.array(argument, depth);
    if (major === MAP) return this.map(argument, depth);
    if (major === TAG) return this.tag(argument, depth);
    return simple(argument);
  }

  head() {
    const { raw } = this;
    if (this.at >= raw.length) throw new CborError("truncated");
    const major = raw[this.at] >> 5;
    const short = raw[this.at] & 31;
    this.at += 1;
    if (short < 24) return [major, short];
    if (short > 27 || major === SIMPLE) {
      throw new CborError("indefinite length, float or reserved form");
    }
    const size = 1 << (short - 24);
    let value = 0n;
    for (const byte of this.take(size)) value = (value << 8n) | BigInt(byte);
    if (value < 24n || (size > 1 && value >> BigInt(size * 4) === 0n)) {
      throw new CborError("not the shortest form");
    }
    return [major, exact(value)];
  }

  take(size) {
    if (size > this.raw.length - this.at) throw new CborError("truncated");
    this.at += size;
    return this.raw.slice(this.at - size, this.at);
  }

  array(count, depth) {
    if (count > this.raw.length - this.at) throw new CborError("truncated");
    const items = [];
    for (let i = 0; i < count; i += 1) items.push(this.item(depth + 1));
    return items;
  }

  map(count, depth) {
    if (count > (this.raw.length - this.at) / 2) throw new CborError("truncated");
    const items = new Map();
    let previous = new Uint8Array();
    for (let i = 0; i < count; i += 1) {
      const start = this.at;
      const key = this.item(depth + 1);
      checkKey(key);
      const rawKey = this.raw.subarray(start, this.at);
      if (compare(rawKey, previous) <= 0) throw new CborError("map keys are not sorted and unique");
      previous = rawKey;
      items.set(key, this.item(depth + 1));
    }
    return items;
  }

  tag(number, depth) {
    if (!this.tags.includes(number)) throw new CborError("unexpected tag");
    return new Tag(number, this.item(depth + 1));
  }
}

function exact(value) {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function text(raw) {
  try {
    return UTF8.decode(raw);
  } catch {
    throw new CborError("text is not UTF-8");
  }
}

function checkKey(key) {
  if (!isInteger(key) && typeof key !== "string" && !(key instanceof Uint8Array)) {
    throw new CborError("map keys are integers, text or bytes");
  }
}

function simple(argument) {
  if (argument === 20) return false;
  if (argument === 21) return true;
  if (argument === 22) return null;
  throw new CborError("simple value outside the subset");
}
