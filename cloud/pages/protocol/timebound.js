/**
 * Time as an interval, honest about doubt (protocol/timebound.py): the true time lies in [lo, hi],
 * Unix seconds. `hi` is FOREVER when nobody knows how late it is. Reads no clock.
 */

import { isUint } from "./forms.js";

export const BEFORE = "before";
export const INSIDE = "inside";
export const AFTER = "after";
export const UNSURE = "unsure";
export const FOREVER = 2 ** 40 - 1;

export class TimeBound {
  constructor(lo, hi = FOREVER) {
    this.lo = lo;
    this.hi = hi;
  }

  /** Seconds between the ends. */
  get doubt() {
    return this.hi - this.lo;
  }

  /** Where now lies relative to the window [start, end). */
  relation(start, end) {
    if (start <= this.lo && this.hi < end) return INSIDE;
    if (this.lo >= end) return AFTER;
    if (this.hi < start) return BEFORE;
    return UNSURE;
  }
}

/** Whether `value` is a time as documents and messages write one: FOREVER is none. */
export function isTime(value) {
  return isUint(value) && value < FOREVER;
}

/** [lo, hi / null] */
export function toWire(bound) {
  return [bound.lo, bound.hi === FOREVER ? null : bound.hi];
}

/** The bound in two members, or null when they are none. */
export function fromWire(lo, hi) {
  if (!isTime(lo) || !(hi === null || isTime(hi))) return null;
  const end = hi ?? FOREVER;
  return lo <= end ? new TimeBound(lo, end) : null;
}
