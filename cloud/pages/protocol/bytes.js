/**
 * Byte strings: Uint8Array everywhere, never ArrayBuffer. Decides nothing.
 *
 *   concat(...parts)  equal(a, b)  sameBytes(a, b) in constant time  compare(a, b) as memcmp
 *   toHex(raw)  fromHex(text)  toBase64url(raw)  fromBase64url(text): no padding, canonical;
 *   the two readers throw BytesError.
 *   utf8(text)  isBytes(value, length?)  uint32(n): 4 bytes, big endian
 */

import { BytesError } from "./errors.js";

const ENCODER = new TextEncoder();
const BASE64URL = /^[A-Za-z0-9_-]*$/;
const CHUNK = 4096;

export function isBytes(value, length) {
  return value instanceof Uint8Array && (length === undefined || value.length === length);
}

export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function compare(a, b) {
  const least = Math.min(a.length, b.length);
  for (let i = 0; i < least; i += 1) {
    if (a[i] !== b[i]) return a[i] - b[i];
  }
  return a.length - b.length;
}

export function equal(a, b) {
  return compare(a, b) === 0;
}

/** Whether a equals b, in a time that depends on the length alone. */
export function sameBytes(a, b) {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i += 1) difference |= a[i] ^ b[i];
  return difference === 0;
}

export function utf8(text) {
  return ENCODER.encode(text);
}

export function uint32(n) {
  return Uint8Array.of(n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255);
}

export function toHex(raw) {
  return Array.from(raw, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function fromHex(text) {
  if (typeof text !== "string" || !/^([0-9a-f]{2})*$/.test(text)) throw new BytesError("not hex");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function toBase64url(raw) {
  let text = "";
  for (let at = 0; at < raw.length; at += CHUNK) {
    text += String.fromCharCode(...raw.subarray(at, at + CHUNK));
  }
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

export function fromBase64url(text) {
  if (typeof text !== "string" || !BASE64URL.test(text) || text.length % 4 === 1) {
    throw new BytesError("not base64url");
  }
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const raw = Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
  if (toBase64url(raw) !== text) throw new BytesError("not canonical base64url");
  return raw;
}
