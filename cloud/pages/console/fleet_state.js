// How far a lock is behind the town's papers, and how well it knows the time. Pure.

/** {code, params, behind} of a paper that a lock holds. */
export function paperWords({ held, newest }) {
  if (held === null) return { code: "desk.unknown", params: {}, behind: false };
  if (held >= newest) return { code: "desk.fleet.newest", params: { held }, behind: false };
  return { code: "desk.fleet.behind", params: { held, newest }, behind: true };
}

/** What is known of a lock's clock. */
export function clockWords(clock) {
  if (clock === null) return { code: "desk.unknown", params: {}, kind: "" };
  if (clock.hi === null) return { code: "desk.fleet.clock_open", params: {}, kind: "warn" };
  const seconds = Math.max(1, Math.ceil(clock.width_s / 2));
  if (clock.off_by_s > 0 && !clock.sure) return { code: "desk.fleet.clock_off", params: { minutes: Math.ceil(clock.off_by_s / 60) }, kind: "bad" };
  const params = seconds < 120 ? { n: seconds } : { n: Math.ceil(seconds / 60) };
  const code = seconds < 120 ? "desk.fleet.clock_seconds" : "desk.fleet.clock_minutes";
  return { code, params, kind: clock.sure ? "good" : "warn" };
}

/** Locks that somebody should look at, for the line on top. */
export function troubled(locks) {
  return locks.filter((each) => each.contact !== "now" || [each.list, each.keyset, each.config].some((one) => paperWords(one).behind)
    || clockWords(each.clock).kind === "warn" || clockWords(each.clock).kind === "bad");
}
