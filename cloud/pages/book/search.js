// What the search page shows: which day, which rooms, which windows, which starts and lengths.
//
// Decides from what the service answered and what a person chose; draws nothing, asks nothing,
// reads no clock. Whatever stands in the address bar is brought into bounds here. The service
// decides again at each hold: this only avoids offering what it would refuse.

import { DAY_S, addDays, dayKey, dayStart, parts } from "../shared/time.js";

const MAX_PEOPLE = 9999;
const FEW_SECONDS = 2 * 3600;

/** The choice in an address: facility, day and people, each in bounds; `facilities` in order. */
export function readChoice(query, facilities, nowS) {
  const asked = query.get("facility");
  const facility = facilities.find((each) => each.id === asked) ?? facilities[0] ?? null;
  const people = whole(query.get("people"), 1, MAX_PEOPLE) ?? 1;
  return { facilityId: facility?.id ?? null, day: dayIn(query.get("day"), facility, nowS), people };
}

export function writeChoice({ facilityId, day, people }) {
  const query = new URLSearchParams();
  if (facilityId) query.set("facility", facilityId);
  if (day) query.set("day", day);
  if (people > 1) query.set("people", String(people));
  return query.toString();
}

/** The first and the last day for which a facility lends, as keys. */
export function daysOf(facility, nowS) {
  const today = dayKey(nowS);
  return { first: today, last: addDays(today, facility?.aheadDays ?? 90) };
}

/** A day brought between the first and the last; the first when it is none. */
export function dayIn(key, facility, nowS) {
  const { first, last } = daysOf(facility, nowS);
  if (dayStart(key) === null || key < first) return first;
  return key > last ? last : key;
}

/** The seven days of the strip that holds `day`: counted from today, so that none of them is past. */
export function stripDays(day, facility, nowS) {
  const { first } = daysOf(facility, nowS);
  const passed = Math.round((dayStart(day) - dayStart(first)) / DAY_S);
  const start = addDays(first, 7 * Math.floor(passed / 7));
  return Array.from({ length: 7 }, (_, index) => addDays(start, index));
}

/** The strip: its days, what is free on each, and where the arrows lead (null: nowhere). */
export function weekStrip(day, facility, marks, nowS) {
  const { first, last } = daysOf(facility, nowS);
  const keys = stripDays(day, facility, nowS);
  return {
    before: keys[0] > first ? dayIn(addDays(day, -7), facility, nowS) : null,
    after: keys[6] < last ? dayIn(addDays(day, 7), facility, nowS) : null,
    days: keys.map((key) => ({
      key, chosen: key === day, today: key === first, mark: key > last ? "out" : marks[key] ?? "unknown",
    })),
  };
}

/** many, few or none: how much of a day's rooms is free for so many people. */
export function mark(rooms, people) {
  const free = rooms.filter((each) => holds(each.room, people))
    .reduce((sum, each) => sum + each.windows.reduce((s, w) => s + w.endsAt - w.startsAt, 0), 0);
  if (!free) return "none";
  return free <= FEW_SECONDS ? "few" : "many";
}

/** Whether a room takes so many; a room of unknown size takes anybody. */
export function holds(room, people) {
  return room.capacity === null || room.capacity === undefined || people <= room.capacity;
}

/**
 * A day as rows and columns: rooms with free windows first, then those with none, then those that
 * are too small. `from` and `to` bound the ruler; each window says its columns (quarter hours).
 */
export function dayView(key, rooms, people) {
  const { from, to } = ruler(key, rooms);
  const rows = rooms.map(({ room, windows, closed }) => ({
    room,
    windows: windows.map((each) => ({ ...each, column: columns(each, from, to) })),
    standing: standingOf(room, windows, closed, people),
  }));
  const order = ["free", "taken", "closed", "small"];
  rows.sort((a, b) => order.indexOf(a.standing) - order.indexOf(b.standing));
  return { from, to, columns: (to - from) / 900, hours: hourMarks(from, to), rows, free: rows.filter((r) => r.standing === "free").length };
}

function standingOf(room, windows, closed, people) {
  if (!holds(room, people)) return "small";
  if (windows.length) return "free";
  return closed ? "closed" : "taken";
}

/** From the first opening to the last closing in whole hours; 9 to 17 when nothing is open. */
function ruler(key, rooms) {
  const midnight = dayStart(key);
  const open = rooms.flatMap((each) => each.open?.length ? each.open : each.windows);
  if (!open.length) return { from: midnight + 9 * 3600, to: midnight + 17 * 3600 };
  const from = Math.min(...open.map((each) => each.startsAt)), to = Math.max(...open.map((each) => each.endsAt));
  return {
    from: midnight + Math.max(0, Math.floor((from - midnight) / 3600)) * 3600,
    to: midnight + Math.min(24, Math.ceil((to - midnight) / 3600)) * 3600,
  };
}

function columns({ startsAt, endsAt }, from, to) {
  const at = (unixS) => Math.round((Math.min(Math.max(unixS, from), to) - from) / 900) + 1;
  return { start: at(startsAt), end: Math.max(at(startsAt) + 1, at(endsAt)) };
}

function hourMarks(from, to) {
  const marks = [];
  for (let at = from; at < to; at += 3600) marks.push({ hour: parts(at).hour, column: (at - from) / 900 + 1 });
  return marks;
}

/** The starts inside a window, on its grid, that leave room for the shortest use. */
export function startsIn(window, { slotMinutes, shortestMinutes }) {
  const starts = [];
  for (let at = window.startsAt; at + shortestMinutes * 60 <= window.endsAt; at += slotMinutes * 60) starts.push(at);
  return starts;
}

/** The ends that a use from `start` may have. */
export function endsFor(window, start, { slotMinutes, shortestMinutes, longestMinutes }) {
  const ends = [];
  const last = Math.min(window.endsAt, start + longestMinutes * 60);
  for (let at = start + shortestMinutes * 60; at <= last; at += slotMinutes * 60) ends.push(at);
  return ends;
}

/** What is offered first in a window: its start, and the length people had chosen, or the nearest. */
export function offer(window, rules, wishedMinutes = 120, wishedStart = null) {
  const starts = startsIn(window, rules);
  if (!starts.length) return null;
  const start = starts.includes(wishedStart) ? wishedStart : starts[0];
  return { start, end: nearestEnd(window, start, rules, wishedMinutes) };
}

/** The end after `start` that is nearest to the wished length: what stays when the start moves. */
export function nearestEnd(window, start, rules, wishedMinutes) {
  const wished = start + wishedMinutes * 60;
  return endsFor(window, start, rules)
    .reduce((best, each) => (Math.abs(each - wished) < Math.abs(best - wished) ? each : best));
}

function whole(text, least, most) {
  if (text === null || !/^\d{1,6}$/.test(text)) return null;
  return Math.min(most, Math.max(least, Number(text)));
}

