// The question to the record, between the form and the address of the service. Pure.

import { addDays, dayKey, dayStart } from "../shared/time.js";

export const EVENTS = ["LockOperation", "LockOperationError", "DoorLockAlarm", "DoorState", "PinAttempt", "Keypad", "Boot", "Time", "StatusList", "Keyset", "Config", "Gap"];
const RESULTS = {
  LockOperation: ["unlock", "lock", "hold-open", "evacuate"],
  LockOperationError: ["NOT_YET_VALID", "EXPIRED", "REVOKED", "WRONG_LOCK", "TIME_UNKNOWN", "BAD_MAC", "BAD_SIGNATURE", "SCOPE", "JAMMED", "SPENT", "PIN_REFUSED", "PIN_WAIT", "PIN_DISABLED"],
  DoorLockAlarm: ["jammed", "forced", "held", "tamper", "wrong-code", "keypad-disabled", "emergency-key", "evacuation", "time", "fork"],
  DoorState: ["open", "closed"],
};

export function resultsOf(event) {
  return RESULTS[event] ?? [];
}

/** The last seven days. */
export function fresh(now) {
  return { first: addDays(dayKey(now), -6), last: dayKey(now), room: "", who: "", event: "", result: "" };
}

/** The search part of the address; days become moments in Japan, the last day is included. */
export function questionOf(asked, more = {}) {
  const query = new URLSearchParams();
  const starts = dayStart(asked.first), ends = dayStart(asked.last);
  if (starts !== null) query.set("from", String(starts));
  if (ends !== null) query.set("to", String(ends + 86400));
  for (const [name, value] of [["room_id", asked.room], ["who", asked.who.trim()], ["event", asked.event], ["result", asked.result]]) {
    if (value) query.set(name, value);
  }
  for (const [name, value] of Object.entries(more)) if (value) query.set(name, value);
  return query.toString();
}
