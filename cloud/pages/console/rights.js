// What a member of staff is shown. The server decides again about every request; here it is only
// about not offering what would be refused. Pure.
//
// `me.rights`: [{facility_id (null: the whole town), actions: [...]}], as GET /v1/staff/me tells.

export const SECTIONS = Object.freeze([
  { name: "today", any: ["booking.read", "door.read"] },
  { name: "book", any: ["booking.change"] },
  { name: "approvals", any: ["booking.approve"] },
  { name: "groups", any: ["group.read"] },
  { name: "closed", any: ["closed-day.change"] },
  { name: "alarms", any: ["alarm.read"] },
  { name: "fleet", any: ["fleet.read"] },
  { name: "audit", any: ["audit.read", "action.read"] },
  { name: "effect", any: ["report.read"] },
  { name: "people", any: ["staff.read"] },
]);

/** Whether this may be done in a facility; without one, in the town as a whole. */
export function may(me, action, facilityId = null) {
  return rightsOf(me).some(({ facility_id: at, actions }) =>
    (at === null || at === facilityId) && actions.includes(action));
}

/** Whether it may be done anywhere at all. */
export function maySomewhere(me, action) {
  return rightsOf(me).some(({ actions }) => actions.includes(action));
}

/** The names of the sections that this person sees. */
export function sectionsOf(me) {
  return SECTIONS.filter(({ any }) => any.some((action) => maySomewhere(me, action))).map(({ name }) => name);
}

/** Where somebody begins: today, or the first they may see. */
export function firstSection(me) {
  return sectionsOf(me)[0] ?? null;
}

function rightsOf(me) {
  return Array.isArray(me?.rights) ? me.rights : [];
}
