// What a clerk fills in for somebody, and what becomes of it. Pure.

import { dayKey } from "../shared/time.js";

const MOST_STARTS = 48;

export function freshWish(now, moving = null) {
  return {
    day: dayKey(moving?.starts_at ?? now), house: "", minutes: String(moving ? Math.round((moving.ends_at - moving.starts_at) / 60) : 120),
    people: moving?.people ? String(moving.people) : "", found: null, window: null,
    name: "", contact: "", purpose: "", group: "", category: "resident", channel: "counter", method: "",
  };
}

/** Moments at which a use of so many minutes can start, as the service found them. */
export function startsOf(room, minutes) {
  const starts = room.days.flatMap((day) => day.starts ?? startsIn(day.windows ?? day.free ?? [], room.slot_minutes, minutes));
  return starts.slice(0, MOST_STARTS);
}

function startsIn(windows, slot, minutes) {
  const step = Math.max(5, slot || 30) * 60, found = [];
  for (const { starts_at: from, ends_at: to } of windows) {
    for (let at = from; at + minutes * 60 <= to; at += step) found.push(at);
  }
  return found;
}

export function windowOf(room, at, minutes) {
  return { room_id: room.room_id, name: room.name, starts_at: at, ends_at: at + minutes * 60 };
}

/** The body of a quote or a booking; what was left empty is left out. */
export function wishBody(kept, { quote = false } = {}) {
  const { room_id, starts_at, ends_at } = kept.window;
  const body = { room_id, starts_at, ends_at, category: kept.category };
  if (Number(kept.people) > 0) body.people = Number(kept.people);
  if (kept.group) body.group_id = kept.group;
  if (quote) return body;
  body.holder_name = kept.name.trim();
  body.holder_contact = kept.contact.trim();
  body.purpose = kept.purpose.trim();
  body.channel = kept.channel;
  if (["counter", "invoice", "hosted"].includes(kept.method)) body.method = kept.method;
  return body;
}
