/**
 * The small checks that every decoder makes of a CBOR item's shape (protocol/forms.py).
 *
 * `ErrorType` is the error class of the module that asks, so that each decoder throws only its own.
 */

import { isBytes } from "./bytes.js";
import { decode } from "./cbor.js";

export { isBytes };

/** The members of `raw`, one CBOR array of exactly `count` items. */
export function array(raw, count, ErrorType) {
  let members;
  try {
    members = decode(raw);
  } catch (failure) {
    throw new ErrorType(failure.message);
  }
  need(Array.isArray(members) && members.length === count, ErrorType);
  return members;
}

export function need(condition, ErrorType, why) {
  if (!condition) throw new ErrorType(why);
}

/** Whether every one of `values` is an integer from 0 on. */
export function areUints(...values) {
  return values.every(isUint);
}

export function isUint(value) {
  return (Number.isSafeInteger(value) || typeof value === "bigint") && value >= 0;
}
