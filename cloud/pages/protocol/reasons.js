/**
 * Why a lock did not do what was asked (protocol/reasons.py): stable numbers, append only.
 * The name is also the key of its text. Below 32: advisory, may be told without a MAC.
 */

export const NAMES = new Map([
  [1, "MALFORMED"],
  [2, "UNSUPPORTED_VERSION"],
  [3, "WRONG_LOCK"],
  [4, "UNKNOWN_ISSUER"],
  [5, "BAD_MAC"],
  [6, "BUSY"],
  [7, "TOO_LARGE"],
  [8, "NO_SESSION"],
  [32, "BAD_SIGNATURE"],
  [33, "NOT_ALLOWED_TO_ISSUE"],
  [34, "NOT_YET_VALID"],
  [35, "EXPIRED"],
  [36, "TIME_UNKNOWN"],
  [37, "SCOPE"],
  [38, "REVOKED"],
  [39, "JAMMED"],
  [40, "STORAGE"],
  [41, "SPENT"],
  [42, "TIME_REJECTED"],
  [43, "OTHER_BASE"],
  [44, "PIN_REFUSED"],
  [45, "PIN_WAIT"],
  [46, "PIN_DISABLED"],
  [47, "PIN_NOT_HERE"],
  [48, "FULL"],
]);

const FIRST_AUTHENTICATED = 32;

export const [NOT_YET_VALID, EXPIRED, TIME_UNKNOWN] = [34, 35, 36];

/** The stable name of a reason; "UNKNOWN_<n>" for a number newer than this table. */
export function name(reason) {
  return NAMES.get(reason) ?? `UNKNOWN_${reason}`;
}

/** Whether a holder may believe this reason only under the lock's MAC. */
export function needsMac(reason) {
  return reason >= FIRST_AUTHENTICATED;
}
