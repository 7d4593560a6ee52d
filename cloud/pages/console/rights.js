// What a member of staff is shown. The server decides again about every request; here it is only
// about not offering what would be refused. Pure.
//
// `me.may`: {action: "*" (the whole town) or [facility ids]}, as GET /v1/staff/me tells.

export const SECTIONS = Object.freeze([
  { name: "today", any: ["booking.read", "door.read"] },
  { name: "book", any: ["booking.change"] },
  { name: "approvals", any: ["booking.approve"] },
  { name: "groups", any: ["group.read"] },
  { name: "closed", any: ["closed-day.change"] },
  { name: "alarms", any: ["alarm.read"] },
  { name: "fleet", any: ["fleet.read"] },
  { name: "audit", any: ["audit.read", "action.read"] },
  { name: "totals", any: ["report.read"] },
  { name: "effect", any: ["report.read"] },
  { name: "people", any: ["staff.read"] },
]);

/** Whether this may be done in a facility; without one, in the town as a whole. */
export function may(me, action, facilityId = null) {
  const where = placesOf(me, action);
  return where === "*" || (facilityId !== null && where.includes(facilityId));
}

/** Whether it may be done anywhere at all. */
export function maySomewhere(me, action) {
  return placesOf(me, action).length > 0;
}

/** The names of the sections that this person sees. */
export function sectionsOf(me) {
  return SECTIONS.filter(({ any }) => any.some((action) => maySomewhere(me, action))).map(({ name }) => name);
}

/** Where somebody begins: today, or the first they may see. */
export function firstSection(me) {
  return sectionsOf(me)[0] ?? null;
}

function placesOf(me, action) {
  const told = me?.may && Object.hasOwn(me.may, action) ? me.may[action] : [];
  return told === "*" || Array.isArray(told) ? told : [];
}
