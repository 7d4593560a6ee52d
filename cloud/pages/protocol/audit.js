/**
 * Audit records, their chain, and the parcel in which they leave a lock (protocol/audit.py).
 *
 *   decodeParcel(raw) -> what a carrier may read; the records themselves are hidden from it
 *   decodeAck, parseAck, decodeHead, parseHead    where a journal stands, as town or lock signed it
 *   decodeRecord, encodeRecord, recordHash, genesis, checkRun    for who may read records
 *
 * All throw AuditError (or CoseError for the envelope). There is no key in here: only the lock and
 * the vault can seal or open a parcel.
 */

import { equal, isBytes } from "./bytes.js";
import * as cbor from "./cbor.js";
import * as cose from "./cose.js";
import { AuditError } from "./errors.js";
import { areUints, array, isUint, need as check } from "./forms.js";
import { fromWire, toWire } from "./timebound.js";
import { CTI_BYTES, isLockId } from "./token.js";

export { AuditError };
export const MAX_RECORD_BYTES = 112;
export const SALT_BYTES = 16;
export const ACK_CONTEXT = "kannuki-ack";
export const HEAD_CONTEXT = "kannuki-head";
export const HEAD_NONCE_BYTES = 16;

const HASH_BYTES = 32;

// Events, named after Matter's Door Lock cluster where it has one. Append only.
export const EVENTS = {
  BOOT: 1,
  LOCK_OPERATION: 2,
  LOCK_OPERATION_ERROR: 3,
  DOOR_LOCK_ALARM: 4,
  DOOR_STATE: 5,
  STATUS_LIST: 6,
  KEYSET: 7,
  CONFIG: 8,
  TIME: 9,
  GAP: 10,
  PIN_ATTEMPT: 11,
  KEYPAD: 12,
};
export const OPERATIONS = {
  OPERATION_LOCK: 0,
  OPERATION_UNLOCK: 1,
  OPERATION_HOLD_OPEN: 2,
  OPERATION_EVACUATE: 3,
};
export const ALARMS = {
  ALARM_JAMMED: 0,
  ALARM_FORCED: 1,
  ALARM_HELD: 2,
  ALARM_TAMPER: 3,
  ALARM_WRONG_CODE: 4,
  ALARM_KEYPAD_DISABLED: 5,
  ALARM_EMERGENCY_KEY: 6,
  ALARM_EVACUATION: 7,
  ALARM_TIME: 8,
  ALARM_FORK: 9,
};
export const TIME_CODES = { TIME_CHECKPOINT: 0, TIME_SET: 1, TIME_RESET: 2 };
export const KEYPAD_CODES = { KEYPAD_CLEARED: 0 };
export const DOOR_STATES = { DOOR_OPEN: 0, DOOR_CLOSED: 1 };
export const SOURCES = {
  SOURCE_NONE: 0,
  SOURCE_HOLDER: 1,
  SOURCE_REMOTE: 2,
  SOURCE_AUTO: 3,
  SOURCE_BUTTON: 4,
  SOURCE_MANUAL: 5,
  SOURCE_KEYPAD: 6,
};

/** What the first record of a journal names as its predecessor. */
export function genesis(lockId, journalEpoch) {
  return sha256(cbor.encode(["kannuki-audit", lockId, journalEpoch]));
}

/** The name of a record in its successor and in outcomes: 32 bytes. */
export function recordHash(raw) {
  return sha256(raw);
}

export function encodeRecord({ seq, time, event, code, source, subject, value, previous }) {
  const raw = cbor.encode([seq, ...toWire(time), event, code, source, subject, value, previous]);
  need(raw.length <= MAX_RECORD_BYTES);
  return raw;
}

export function decodeRecord(raw) {
  const members = array(raw, 9, AuditError);
  const [seq, lo, hi, event, code, source, subject, value, previous] = members;
  const time = fromWire(lo, hi);
  need(time !== null && areUints(seq, event, code, source));
  need(subject === null || isBytes(subject, CTI_BYTES));
  need((value === null || isUint(value)) && isBytes(previous, HASH_BYTES));
  return { seq, time, event, code, source, subject, value, previous };
}

/** {records, head} of a run that continues a chain at `nextSeq`; AuditError for any other. */
export async function checkRun(rawRecords, nextSeq, previousHash) {
  const records = [];
  let head = previousHash;
  for (const raw of rawRecords) {
    const record = decodeRecord(raw);
    need(record.seq === nextSeq + records.length && equal(record.previous, head));
    records.push(record);
    head = await recordHash(raw);
  }
  return { records, head };
}

/** {lockId, vaultEpoch, journalEpoch, firstSeq, count, salt, hidden} */
export function decodeParcel(raw) {
  const members = array(raw, 7, AuditError);
  const [lockId, vaultEpoch, journalEpoch, firstSeq, count, salt, hidden] = members;
  need(isLockId(lockId) && areUints(vaultEpoch, journalEpoch, firstSeq, count));
  need(isBytes(salt, SALT_BYTES) && isBytes(hidden));
  return { lockId, vaultEpoch, journalEpoch, firstSeq, count, salt, hidden };
}

/** {lockId, journalEpoch, seq, recordHash} */
export function decodeAck(payload) {
  const [lockId, journalEpoch, seq, hash] = array(payload, 4, AuditError);
  need(isLockId(lockId) && areUints(journalEpoch, seq) && isBytes(hash, HASH_BYTES));
  return { lockId, journalEpoch, seq, recordHash: hash };
}

export function encodeAck({ lockId, journalEpoch, seq, recordHash: hash }) {
  return cbor.encode([lockId, journalEpoch, seq, hash]);
}

export function parseAck(document) {
  const signed = cose.decode(document);
  return { signed, head: decodeAck(signed.payload) };
}

/** {lockId, journalEpoch, seq, recordHash, nonce} */
export function decodeHead(payload) {
  const [lockId, journalEpoch, seq, hash, nonce] = array(payload, 5, AuditError);
  need(isLockId(lockId) && areUints(journalEpoch, seq) && isBytes(hash, HASH_BYTES));
  need(isBytes(nonce, HEAD_NONCE_BYTES));
  return { lockId, journalEpoch, seq, recordHash: hash, nonce };
}

export function encodeHead({ lockId, journalEpoch, seq, recordHash: hash, nonce }) {
  return cbor.encode([lockId, journalEpoch, seq, hash, nonce]);
}

export function parseHead(document) {
  const signed = cose.decode(document);
  return { signed, head: decodeHead(signed.payload) };
}

async function sha256(raw) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", raw));
}

function need(condition) {
  check(condition, AuditError);
}
