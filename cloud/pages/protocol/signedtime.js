/**
 * The town's word on what time it is, for one lock and one nonce (protocol/signedtime.py).
 *
 *   parse(document) -> {signed, answer: {lockId, nonce, t, errorS}}; CoseError, SignedTimeError
 *
 * A holder reads it to see whether bringing it can help; the lock checks the signature.
 */

import { isBytes } from "./bytes.js";
import * as cbor from "./cbor.js";
import * as cose from "./cose.js";
import { SignedTimeError } from "./errors.js";
import { areUints, array, need } from "./forms.js";
import { FOREVER } from "./timebound.js";
import { isLockId } from "./token.js";

export { SignedTimeError };
export const TIME_CONTEXT = "kannuki-time";
export const RESET_CONTEXT = "kannuki-time-reset";
export const TIME_NONCE_BYTES = 16;
export const MAX_ERROR_S = 3600;

export function decode(payload) {
  const [lockId, nonce, t, errorS] = array(payload, 4, SignedTimeError);
  need(isLockId(lockId) && isBytes(nonce, TIME_NONCE_BYTES), SignedTimeError);
  need(areUints(t, errorS) && errorS <= MAX_ERROR_S && t < FOREVER, SignedTimeError);
  need(errorS <= t && t + errorS < FOREVER, SignedTimeError);
  return { lockId, nonce, t, errorS };
}

export function encode({ lockId, nonce, t, errorS }) {
  return cbor.encode([lockId, nonce, t, errorS]);
}

export function parse(document) {
  const signed = cose.decode(document);
  return { signed, answer: decode(signed.payload) };
}
