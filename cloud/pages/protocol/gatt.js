/**
 * Where a lock is found and spoken to over Bluetooth LE (protocol/gatt.py; vectors: gatt.json).
 *
 * A holder subscribes to TX, then writes fragments to RX; the lock answers by notifications on TX.
 */

import { isLockId } from "./token.js";

export const SERVICE_UUID = "26f8f8a6-98dd-43d0-9a8e-5bd9e8c41a70";
export const RX_UUID = "26f8f8a7-98dd-43d0-9a8e-5bd9e8c41a70"; // write, write without response
export const TX_UUID = "26f8f8a8-98dd-43d0-9a8e-5bd9e8c41a70"; // notify
export const NAME_PREFIX = "kannuki-";

/** The local name of a lock. */
export function advertisedName(lockId) {
  return NAME_PREFIX + lockId;
}

/** The lock id in an advertised name, or null when it is not one of ours. */
export function lockIdIn(name) {
  if (typeof name !== "string" || !name.startsWith(NAME_PREFIX)) return null;
  const lockId = name.slice(NAME_PREFIX.length);
  return isLockId(lockId) ? lockId : null;
}
