/**
 * The token: a CWT that says which lock, when, and what (protocol/token.py, docs/spec/token.md).
 *
 *   parse(raw) -> {signed, token}     throws CoseError or TokenError
 *   token: {audience, notBefore, expiresAt, issuedAt, cti, permissions, epoch, weekly, once}
 *          window(t) -> [start, end] of the window that counts at t; relation(TimeBound)
 *          isForGroup; allows(permission)
 *   isLockId(value), isGroupId(value)
 *
 * Decides whether bytes are a token of our one form, not whether to trust it: the lock does.
 * All times are Unix seconds.
 */

import { isBytes } from "./bytes.js";
import * as cbor from "./cbor.js";
import * as cose from "./cose.js";
import { CborError, TokenError } from "./errors.js";
import { isUint } from "./forms.js";
import { FOREVER } from "./timebound.js";

export { TokenError };
export const MAX_TOKEN_BYTES = 256;
export const CTI_BYTES = 8;
export const LOCK_ID_CHARS = 8;

// Permissions: bits. Append only.
export const UNLOCK = 1;
export const UNLOCK_REMOTE = 2;
export const LOCK = 4;
export const HOLD_OPEN = 8;
export const STATUS = 16;
export const MAINTAIN = 32;
export const EVACUATE = 64;
export const ALL_PERMISSIONS = 127;

export const MAX_WEEKLY_WINDOWS = 8;
export const WEEK_MINUTES = 7 * 24 * 60;
export const MAX_UTC_OFFSET_MINUTES = 14 * 60;

const LOCK_ID = new RegExp(`^[a-z2-7]{${LOCK_ID_CHARS}}$`);
const OBJECT = "door";
const [AUD, EXP, NBF, IAT, CTI, CNF, SCOPE] = [3, 4, 5, 6, 7, 8, 9];
const [WEEKLY, ONCE] = [-65537, -65538];
const REQUIRED = [AUD, EXP, NBF, IAT, CTI, CNF, SCOPE];
const KNOWN = [...REQUIRED, WEEKLY, ONCE];
const CNF_KID = 3;
const WEEK_S = WEEK_MINUTES * 60;
const FIRST_MONDAY_S = 4 * 86400;

export function isLockId(value) {
  return typeof value === "string" && LOCK_ID.test(value);
}

/** "+" and 8 characters like a lock's. */
export function isGroupId(value) {
  return typeof value === "string" && value[0] === "+" && isLockId(value.slice(1));
}

/** Hours of the week: windows are [start, length] in minutes, start from Monday 0:00. */
export class Weekly {
  constructor(utcOffsetMinutes, windows) {
    this.utcOffsetMinutes = utcOffsetMinutes;
    this.windows = windows;
  }

  /** [start, end], Unix seconds, of the window that ends next after `t`. */
  nextWindow(t) {
    const shift = this.utcOffsetMinutes * 60;
    const sinceMonday = t + shift - FIRST_MONDAY_S;
    const monday = t - (((sinceMonday % WEEK_S) + WEEK_S) % WEEK_S);
    let found = [FOREVER, FOREVER];
    for (const [start, length] of this.windows) {
      let at = monday - WEEK_S + start * 60;
      while (at + length * 60 <= t) at += WEEK_S;
      const end = at + length * 60;
      if (at < found[0] || (at === found[0] && end < found[1])) found = [at, end];
    }
    return found;
  }
}

export class Token {
  constructor(fields) {
    Object.assign(this, fields);
  }

  get isForGroup() {
    return isGroupId(this.audience);
  }

  allows(permission) {
    return (this.permissions & permission) === permission;
  }

  /** [start, end] of the window that counts at `t`: the one open, else the next; end <= t: over. */
  window(t) {
    if (this.weekly === null) return [this.notBefore, this.expiresAt];
    const [begins, ends] = this.weekly.nextWindow(Math.max(t, this.notBefore));
    const start = Math.max(begins, this.notBefore);
    const end = Math.min(ends, this.expiresAt);
    return start < end ? [start, end] : [this.notBefore, Math.min(t, this.expiresAt)];
  }

  relation(now) {
    return now.relation(...this.window(now.lo));
  }
}

export function parse(raw) {
  need(isBytes(raw) && raw.length <= MAX_TOKEN_BYTES, "longer than any token");
  const signed = cose.decode(raw);
  return { signed, token: decodeClaims(signed.payload) };
}

export function decodeClaims(payload) {
  const claims = decoded(payload, "unexpected claims");
  need(claims instanceof Map, "unexpected claims");
  need(REQUIRED.every((name) => claims.has(name)), "unexpected claims");
  need([...claims.keys()].every((name) => KNOWN.includes(name)), "unexpected claims");
  need(!claims.has(ONCE) || claims.get(ONCE) === true, "a token that is not single says nothing");
  const token = new Token({
    audience: claims.get(AUD),
    notBefore: claims.get(NBF),
    expiresAt: claims.get(EXP),
    issuedAt: claims.get(IAT),
    cti: claims.get(CTI),
    permissions: permissionsIn(claims.get(SCOPE)),
    epoch: epochIn(claims.get(CNF)),
    weekly: claims.has(WEEKLY) ? weeklyIn(claims.get(WEEKLY)) : null,
    once: claims.has(ONCE),
  });
  check(token);
  return token;
}

/** The CWT payload of a token; the inverse of `decodeClaims`. */
export function encodeClaims(token) {
  check(token);
  const claims = new Map([
    [AUD, token.audience],
    [EXP, token.expiresAt],
    [NBF, token.notBefore],
    [IAT, token.issuedAt],
    [CTI, token.cti],
    [CNF, new Map([[CNF_KID, Uint8Array.of(token.epoch)]])],
    [SCOPE, cbor.encode([[OBJECT, token.permissions]])],
  ]);
  if (token.weekly) claims.set(WEEKLY, [token.weekly.utcOffsetMinutes, token.weekly.windows]);
  if (token.once) claims.set(ONCE, true);
  return cbor.encode(claims);
}

function check(token) {
  need(isLockId(token.audience) || isGroupId(token.audience), "audience names no lock");
  for (const value of [token.notBefore, token.expiresAt, token.issuedAt]) {
    need(isUint(value) && value > 0 && value < FOREVER, "a time is out of bounds");
  }
  need(token.notBefore < token.expiresAt, "the window is empty");
  need(isBytes(token.cti, CTI_BYTES), "cti has 8 bytes");
  const bits = token.permissions;
  need(isUint(bits) && bits > 0 && bits <= ALL_PERMISSIONS, "unknown permissions");
  need(isUint(token.epoch) && token.epoch > 0 && token.epoch < 256, "the vault epoch is 1..255");
  need(!(token.once && isGroupId(token.audience)), "a group's token cannot be single");
  if (token.weekly !== null) checkWeekly(token.weekly);
}

function checkWeekly({ utcOffsetMinutes, windows }) {
  need(Number.isSafeInteger(utcOffsetMinutes), "the offset is no number");
  need(Math.abs(utcOffsetMinutes) <= MAX_UTC_OFFSET_MINUTES, "no such offset");
  need(windows.length > 0 && windows.length <= MAX_WEEKLY_WINDOWS, "a week has 1 to 8 windows");
  for (const [start, length] of windows) {
    need(isUint(start) && start < WEEK_MINUTES, "a window begins within the week");
    need(isUint(length) && length > 0 && length <= WEEK_MINUTES, "a window lasts at most a week");
  }
}

function weeklyIn(claim) {
  need(Array.isArray(claim) && claim.length === 2, "unexpected hours of the week");
  const [offset, windows] = claim;
  need(Array.isArray(windows), "unexpected hours of the week");
  need(windows.every((w) => Array.isArray(w) && w.length === 2), "a window has two members");
  return new Weekly(offset, windows);
}

function permissionsIn(scope) {
  need(isBytes(scope), "scope is not one AIF entry");
  const entries = decoded(scope, "scope is not one AIF entry");
  need(Array.isArray(entries) && entries.length === 1, "scope is not one AIF entry");
  const [entry] = entries;
  need(Array.isArray(entry) && entry.length === 2, "scope is not one AIF entry");
  need(entry[0] === OBJECT, "scope is about another object");
  return entry[1];
}

function epochIn(confirmation) {
  need(confirmation instanceof Map && confirmation.size === 1, "unexpected confirmation");
  const kid = confirmation.get(CNF_KID);
  need(isBytes(kid, 1), "unexpected confirmation");
  return kid[0];
}

function decoded(raw, why) {
  try {
    return cbor.decode(raw);
  } catch (error) {
    if (error instanceof CborError) throw new TokenError(`${why}: ${error.message}`);
    throw error;
  }
}

function need(condition, why) {
  if (!condition) throw new TokenError(why);
}
