// What the list of today says, apart from how it looks: doors in words, who is in a room now, what
// is hidden by a filter. Pure: takes the service's answer and the moment, gives plain values.

/** A door as [kind of badge, code of the words, places of the words]. */
export function doorWords(door) {
  if (!door) return null;
  if (door.contact === "none") return { kind: "", code: "desk.door.none", stale: false };
  if (door.contact === "never") return { kind: "wait", code: "desk.door.never", stale: true };
  const stale = door.contact !== "now";
  if (door.bolt === "jammed") return { kind: "bad", code: "desk.door.jammed", stale };
  if (door.held_open) return { kind: "warn", code: "desk.door.held_open", stale };
  if (door.door === "open") return { kind: "info", code: "desk.door.open", stale };
  if (door.bolt === "unlocked") return { kind: "info", code: "desk.door.unlocked", stale };
  if (door.bolt === "locked") return { kind: stale ? "" : "good", code: "desk.door.locked", stale };
  if (door.bolt === "moving") return { kind: "info", code: "desk.door.moving", stale };
  return { kind: "wait", code: "desk.door.unknown", stale };
}

/** past, now or next: where a booking stands. */
export function phase(booking, now) {
  if (booking.ends_at <= now) return "past";
  return booking.starts_at <= now ? "now" : "next";
}

/** The badges of a booking: [kind, code]. What needs nothing done has none. */
export function bookingBadges(booking) {
  const found = [];
  if (booking.status === "pending") found.push(["warn", "desk.status.pending"]);
  if (booking.status === "held") found.push(["wait", "desk.status.held"]);
  if (booking.status === "cancelled") found.push(["", "desk.status.cancelled"]);
  if (booking.status === "declined") found.push(["", "desk.status.declined"]);
  if (booking.status === "expired") found.push(["", "desk.status.expired"]);
  if (DUE.has(booking.payment_state) && booking.status !== "cancelled") {
    found.push(["wait", `desk.pay.${booking.payment_state}`]);
  }
  if (booking.status === "confirmed") {
    found.push(booking.key === "collected" ? ["good", "desk.key.collected"] : ["", `desk.key.${booking.key}`]);
  }
  return found;
}

const DUE = new Set(["counter", "pending", "refund_due"]);

/** Facilities with their rooms, narrowed to one facility and to rooms in use if so wished. */
export function narrowed(facilities, { facilityId = "", onlyUsed = false } = {}) {
  return facilities
    .filter((each) => !facilityId || each.facility_id === facilityId)
    .map((each) => ({ ...each, rooms: each.rooms.filter((room) => !onlyUsed || room.bookings.length) }))
    .filter((each) => each.rooms.length);
}

/** How many bookings, and how many of them go on now. */
export function counts(facilities, now) {
  const every = facilities.flatMap((each) => each.rooms).flatMap((room) => room.bookings ?? [])
    .filter((booking) => ["confirmed", "pending", "held"].includes(booking.status));
  return { all: every.length, now: every.filter((booking) => phase(booking, now) === "now").length };
}

/** Where a use lies between two moments, as parts of 0..1, for a strip of the day. */
export function stripPart(booking, fromS, toS) {
  const length = toS - fromS;
  const start = Math.max(0, Math.min(1, (booking.starts_at - fromS) / length));
  const end = Math.max(0, Math.min(1, (booking.ends_at - fromS) / length));
  return { start, size: Math.max(0, end - start) };
}

/** The hours that a strip shows: 8 to 22, wider where a use needs it; whole hours. */
export function stripSpan(rooms, dayStartS) {
  const uses = rooms.flatMap((room) => room.bookings ?? []);
  const first = Math.min(dayStartS + 8 * 3600, ...uses.map((each) => Math.max(dayStartS, each.starts_at)));
  const last = Math.max(dayStartS + 22 * 3600, ...uses.map((each) => Math.min(dayStartS + 86400, each.ends_at)));
  return [dayStartS + Math.floor((first - dayStartS) / 3600) * 3600, dayStartS + Math.ceil((last - dayStartS) / 3600) * 3600];
}

/** The sentences of a list of what needs attention: {kind, code, params, href parts}. */
export function attentionLine(item) {
  const kinds = { 3: "bad", 2: "warn", 1: "wait" };
  return { kind: kinds[item.severity] ?? "info", code: `desk.attention.${item.kind}`, item };
}

/** What goes on or comes next first, then what is over, the latest first. */
export function nextFirst(bookings, now) {
  const ahead = bookings.filter((each) => each.ends_at > now).sort((a, b) => a.starts_at - b.starts_at);
  const over = bookings.filter((each) => each.ends_at <= now).sort((a, b) => b.starts_at - a.starts_at);
  return [...ahead, ...over];
}
