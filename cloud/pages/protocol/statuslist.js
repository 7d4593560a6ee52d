/**
 * The status list: which tokens and PINs of one lock the town has withdrawn.
 * Mirrors protocol/statuslist.py; vectors: statuslist.json.
 *
 *   parse(document) -> {signed, header}; throws CoseError or StatusListError
 *   header: {lockId, version, issuedAt, keptFromHour, minIat: [[kid, audience, iat]], count,
 *            digest}
 *   await inMemory(header, entries) -> StatusList {version, revokes(cti, kid, audience, issuedAt),
 *                                                  lists(name)}; StatusListError
 *   entry, isKept, checkOrder, merge: how entries are made and a delta is laid over a list
 *
 * A phone carries lists unread; reading one tells its owner early that a key was withdrawn. The
 * signature is the lock's business, so what a page concludes from it is a hint, not a verdict.
 */

import { compare, concat, equal, isBytes } from "./bytes.js";
import * as cbor from "./cbor.js";
import * as cose from "./cose.js";
import { StatusListError } from "./errors.js";
import { areUints, array, need as check } from "./forms.js";
import { isTime } from "./timebound.js";
import { isGroupId, isLockId } from "./token.js";

export { StatusListError };
export const CONTEXT = "kannuki-status";
export const PREFIX_BYTES = 6;
export const ENTRY_BYTES = 8;
export const MAX_ENTRIES = 2000;
export const MAX_MIN_IAT_ROWS = 16;
export const HOUR_S = 3600;

const HASH_BYTES = 32;
const HOURS = 1 << 16;

export class StatusList {
  constructor(header, entries) {
    this.header = header;
    this.entries = entries;
  }

  get version() {
    return this.header.version;
  }

  /** Whether the token that key `kid` issued at this second is withdrawn. */
  revokes(cti, kid, audience, issuedAt) {
    const names = ([rowKid, rowAudience, least]) =>
      equal(rowKid, kid) && [null, audience].includes(rowAudience) && issuedAt < least;
    return this.header.minIat.some(names) || this.lists(cti);
  }

  /** Whether a cti or PIN name (its first 6 bytes count) is among the entries. */
  lists(name) {
    const prefix = name.subarray(0, PREFIX_BYTES);
    let [low, high] = [0, this.header.count];
    while (low < high) {
      const middle = (low + high) >> 1;
      const at = middle * ENTRY_BYTES;
      const order = compare(this.entries.subarray(at, at + PREFIX_BYTES), prefix);
      if (order === 0) return true;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return false;
  }
}

/** The list whose entries are at hand; StatusListError when they are not the header's. */
export async function inMemory(header, entries) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", entries));
  need(entries.length === header.count * ENTRY_BYTES && equal(digest, header.digest));
  return new StatusList(header, entries);
}

/** The 8 bytes that withdraw a cti or PIN name until it expires by itself. */
export function entry(name, expiresAt) {
  need(name.length >= PREFIX_BYTES);
  const hour = Math.ceil(expiresAt / HOUR_S) % HOURS;
  return concat(name.slice(0, PREFIX_BYTES), Uint8Array.of(hour >> 8, hour & 255));
}

/** Whether an entry's hour is `keptFromHour` or later, within 3.7 years; 0 keeps all. */
export function isKept(rawEntry, keptFromHour) {
  if (BigInt(keptFromHour) === 0n) return true;
  const hour = (rawEntry[PREFIX_BYTES] << 8) | rawEntry[PREFIX_BYTES + 1];
  const first = Number(BigInt(keptFromHour) % BigInt(HOURS));
  return (hour - first + HOURS) % HOURS < HOURS / 2;
}

/** The entries of a list still kept and the sorted additions, sorted, each once. */
export function merge(entries, additions, keptFromHour) {
  const kept = rows(entries).filter((raw) => isKept(raw, keptFromHour));
  const both = [...kept, ...rows(additions)].sort(compare);
  return concat(...both.filter((raw, at) => at === 0 || !equal(raw, both[at - 1])));
}

/** Throws StatusListError unless `rawEntry` may follow `previous` (no bytes: it is the first). */
export function checkOrder(previous, rawEntry) {
  need(rawEntry.length === ENTRY_BYTES && compare(previous, rawEntry) < 0);
}

export function encode(header) {
  const { lockId, version, issuedAt, keptFromHour, minIat, count, digest } = header;
  return cbor.encode([lockId, version, issuedAt, keptFromHour, minIat, count, digest]);
}

export function decode(payload) {
  const members = array(payload, 7, StatusListError);
  const [lockId, version, issuedAt, keptFromHour, minIat, count, digest] = members;
  need(isLockId(lockId) && areUints(version, keptFromHour, count) && isTime(issuedAt));
  need(version > 0 && count <= MAX_ENTRIES && isBytes(digest, HASH_BYTES));
  need(Array.isArray(minIat) && minIat.length <= MAX_MIN_IAT_ROWS);
  minIat.forEach(checkRow);
  return { lockId, version, issuedAt, keptFromHour, minIat, count, digest };
}

export function parse(document) {
  const signed = cose.decode(document);
  return { signed, header: decode(signed.payload) };
}

function rows(raw) {
  const count = Math.floor(raw.length / ENTRY_BYTES);
  return Array.from({ length: count }, (_, i) => raw.slice(i * ENTRY_BYTES, (i + 1) * ENTRY_BYTES));
}

function checkRow(row) {
  need(Array.isArray(row) && row.length === 3);
  const [kid, audience, least] = row;
  need(isBytes(kid, cose.KID_BYTES) && isTime(least));
  need(audience === null || isLockId(audience) || isGroupId(audience));
}

function need(condition) {
  check(condition, StatusListError);
}
