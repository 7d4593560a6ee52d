/**
 * The messages of a session and what their MACs cover (protocol/session.py, docs/spec/wire.md).
 *
 * A message is one type byte and one CBOR array; with a MAC, the MAC is its last 16 bytes.
 *   encodeHello, encodePresentation, encodeRequest            what a holder says
 *   decodeChallenge, decodeOutcome, decodeReply, decodeRefusal  what a lock says; SessionError
 *   (and their inverses, which tests and simulated locks use)
 *   presentationMac, outcomeMac, requestMac, replyMac, transcript   Promises; keys are CryptoKeys
 *
 * Decides the bytes, not the conduct: holder.js does that. `greeting` is [HELLO, CHALLENGE] as they
 * were sent.
 */

import { concat, isBytes, uint32, utf8 } from "./bytes.js";
import * as cbor from "./cbor.js";
import { SessionError } from "./errors.js";
import { areUints, array, isUint, need as check } from "./forms.js";
import { MAX_FRAGMENT_BYTES, MIN_FRAGMENT_BYTES } from "./frames.js";
import * as reasons from "./reasons.js";
import { fromWire, toWire } from "./timebound.js";
import { isLockId, MAX_TOKEN_BYTES } from "./token.js";

export { SessionError };
export const WIRE_VERSION = 1;
export const NONCE_BYTES = 16;
export const MAC_BYTES = 16;
export const HASH_BYTES = 32;
export const KEY_BYTES = 32;
export const MAX_PRESENTATION_BYTES = MAX_TOKEN_BYTES + 64;
export const MAX_HELLO_BYTES = 16;

export const HELLO = 1;
export const CHALLENGE = 2;
export const PRESENTATION = 3;
export const OUTCOME = 4;
export const REQUEST = 5;
export const REPLY = 6;
export const REFUSAL = 7;

// Commands of a presentation. Append only.
export const COMMAND_UNLOCK = 1;
export const COMMAND_UNLOCK_REMOTE = 2;
export const COMMAND_LOCK = 3;
export const COMMAND_SYNC = 4;
export const COMMAND_HOLD_OPEN = 5;
export const COMMAND_EVACUATE = 6;

// Operations of a request. Append only.
export const REQUEST_STATE = 1; // null -> state map
export const REQUEST_AUDIT = 2; // [from_seq, max_records] -> [parcel, seal]
export const REQUEST_STATUS_PART = 3; // [header document, offset, piece] -> [next / null, held]
export const REQUEST_STATUS_DELTA = 4; // [header document, base, additions] -> [null, held]
export const REQUEST_KEYSET = 5; // document -> version now held
export const REQUEST_CONFIG = 6; // document -> version now held
export const REQUEST_TIME = 7; // answer to this session's challenge nonce -> [lo, hi]
export const REQUEST_TIME_RESET = 8;
export const REQUEST_ACK = 9; // document -> newest seq acknowledged
export const REQUEST_HEAD = 10; // nonce -> signed head
export const REQUEST_TOKEN = 11;
export const REQUEST_CLEAR_KEYPAD = 12;

export const OK = 0;

/** Outcomes after which a session stays open, to bring documents that may change its mind. */
export const OPEN_FOR_DOCUMENTS = [reasons.NOT_YET_VALID, reasons.EXPIRED, reasons.TIME_UNKNOWN];

// Keys of an outcome's detail map. Append only.
export const DETAIL_OPENS_AT = 1;
export const DETAIL_RELOCK_AFTER_MS = 2;
export const DETAIL_HELD_UNTIL = 3;

const LABEL_PRESENTATION = "kannuki1-H";
const LABEL_OUTCOME = "kannuki1-L";
const LABEL_REQUEST = "kannuki1-h";
const LABEL_REPLY = "kannuki1-l";

// --- forms ---

export function staysOpen(reason) {
  return reason === OK || OPEN_FOR_DOCUMENTS.includes(reason);
}

export function encodeHello(version = WIRE_VERSION) {
  return message(HELLO, [version]);
}

export function decodeHello(body) {
  need(body.length <= MAX_HELLO_BYTES);
  const [version] = members(body, 1);
  need(isUint(version));
  return version;
}

export function encodeChallenge(challenge) {
  const { keyset, status, config } = challenge.versions;
  const { version, lockId, nonce, time, epochs, maxFragment } = challenge;
  const wireTime = toWire(time);
  return message(CHALLENGE, [
    version, lockId, nonce, wireTime, keyset, status, config, epochs, maxFragment,
  ]);
}

/**
 * {version, lockId, nonce, time: TimeBound, versions: {keyset, status, config}, epochs,
 * maxFragment}
 */
export function decodeChallenge(body) {
  const [version, lockId, nonce, wireTime, keyset, status, config, epochs, maxFragment] = members(
    body, 9,
  );
  need(isLockId(lockId) && isBytes(nonce, NONCE_BYTES));
  need(areUints(version, keyset, status, config, maxFragment));
  need(Array.isArray(epochs) && epochs.length > 0 && epochs.length <= 2 && areUints(...epochs));
  need(maxFragment >= MIN_FRAGMENT_BYTES && maxFragment <= MAX_FRAGMENT_BYTES);
  need(Array.isArray(wireTime) && wireTime.length === 2);
  const time = fromWire(...wireTime);
  need(time !== null);
  const versions = { keyset, status, config };
  return { version, lockId, nonce, time, versions, epochs, maxFragment };
}

export function encodePresentation(nonce, rawToken, command) {
  return message(PRESENTATION, [nonce, rawToken, command]);
}

export function decodePresentation(body) {
  const [nonce, rawToken, command] = members(body, 3);
  need(isBytes(nonce, NONCE_BYTES) && isBytes(rawToken) && isUint(command));
  return { nonce, rawToken, command };
}

export function encodeOutcome({ reason, detail, headSeq, headHash }) {
  return message(OUTCOME, [reason, detail, headSeq, headHash]);
}

/** {reason, detail: Map, headSeq, headHash} */
export function decodeOutcome(body) {
  const [reason, detail, headSeq, headHash] = members(body, 4);
  need(isUint(reason) && detail instanceof Map && areUints(...detail.keys()));
  need(isUint(headSeq) && isBytes(headHash, HASH_BYTES));
  return { reason, detail, headSeq, headHash };
}

export function encodeRequest(counter, operation, argument) {
  return message(REQUEST, [counter, operation, argument]);
}

export function decodeRequest(body) {
  const [counter, operation, argument] = members(body, 3);
  need(isUint(counter) && isUint(operation));
  return { counter, operation, argument };
}

export function encodeReply(counter, reason, value) {
  return message(REPLY, [counter, reason, value]);
}

export function decodeReply(body) {
  const [counter, reason, value] = members(body, 3);
  need(isUint(counter) && isUint(reason));
  return { counter, reason, value };
}

export function encodeRefusal(reason) {
  return message(REFUSAL, [reason]);
}

/** The advisory reason; a reason that only a MAC may vouch for is refused. */
export function decodeRefusal(body) {
  const [reason] = members(body, 1);
  need(isUint(reason) && reason !== OK && !reasons.needsMac(reason));
  return reason;
}

/** [type, body] */
export function split(raw) {
  need(isBytes(raw) && raw.length > 1);
  return [raw[0], raw.slice(1)];
}

/** [message without its MAC, MAC] */
export function splitMac(raw) {
  need(isBytes(raw) && raw.length > MAC_BYTES + 1);
  return [raw.slice(0, -MAC_BYTES), raw.slice(-MAC_BYTES)];
}

// --- what the MACs cover ---

/** A CryptoKey for HMAC-SHA256 that cannot be exported, of 32 raw bytes. For tests and benches. */
export function importKey(raw) {
  return crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

export function presentationMac(key, greeting, presentation) {
  return mac(key, LABEL_PRESENTATION, ...greeting, presentation);
}

export function outcomeMac(key, greeting, presentation, macH, outcome) {
  return mac(key, LABEL_OUTCOME, ...greeting, presentation, macH, outcome);
}

/** The 32 bytes that bind later requests and replies to this session alone. */
export function transcript(greeting, presentation, outcome) {
  return sha256(prefixed(...greeting, presentation, outcome));
}

export function requestMac(key, bound, request) {
  return mac(key, LABEL_REQUEST, bound, request);
}

export function replyMac(key, bound, request, reply) {
  return mac(key, LABEL_REPLY, bound, request, reply);
}

async function mac(key, label, ...parts) {
  const covered = concat(utf8(label), await sha256(prefixed(...parts)));
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, covered)).slice(0, MAC_BYTES);
}

async function sha256(raw) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", raw));
}

function prefixed(...parts) {
  return concat(...parts.flatMap((part) => [uint32(part.length), part]));
}

// --- checks ---

function message(kind, items) {
  return concat(Uint8Array.of(kind), cbor.encode(items));
}

function members(body, count) {
  return array(body, count, SessionError);
}

function need(condition) {
  check(condition, SessionError);
}
