// Moments as the desk writes them: the time of day; of another day, the day as well.

import { clock, day, dayKey } from "../shared/time.js";

import { now } from "./when.js";

export function timeOf(unixS) {
  return dayKey(unixS) === dayKey(now()) ? clock(unixS) : `${day(unixS)} ${clock(unixS)}`;
}
