// The service's answers in this site's words, and this site's wishes in the service's.
//
// Names of rooms, houses and groups come in three languages: they are getters here, so that a page
// drawn again after a change of language says them anew. Pure; knows no address and no clock.

import { theirs } from "../shared/texts.js";
import { addDays, dayStart } from "../shared/time.js";

const GRID_S = 1800; // where a room is lent without rules
const NO_RULES = { slot_minutes: 30, shortest_minutes: 30, longest_minutes: 1440, ahead_days: 365, hold_minutes: 15, holders_max: 10 };

/** An object whose `name` is said in the language of now. */
function named(words, otherwise, rest) {
  return Object.defineProperty(rest, "name", { enumerable: true, get: () => theirs(words) ?? otherwise });
}

export function facility(row) {
  const rooms = row.rooms.map((each) => room(each));
  return named(row.name, row.facility_id, {
    id: row.facility_id, address: row.address, phone: row.phone, assurance: row.assurance, rooms,
    aheadDays: Math.max(0, ...rooms.map((each) => each.aheadDays)),
  });
}

export function room(row) {
  const rules = row.rules ?? NO_RULES;
  const made = named(row.name, row.room_id, {
    id: row.room_id, capacity: row.capacity, assurance: row.assurance, hasRules: row.rules !== null,
    slotMinutes: rules.slot_minutes, shortestMinutes: rules.shortest_minutes, longestMinutes: rules.longest_minutes,
    aheadDays: rules.ahead_days, holdMinutes: rules.hold_minutes, holdersMax: rules.holders_max,
  });
  return Object.defineProperty(made, "about", { enumerable: true, get: () => theirs(row.find) });
}

/** Rows by room become days; all days of an answer share the hours between first and last opening. */
export function freeByDay(rows, house) {
  const week = {};
  for (const row of rows) {
    const own = house.rooms.find((each) => each.id === row.room_id);
    if (!own) continue;
    for (const each of row.days) {
      const windows = each.windows.map(window).map((one) => (own.hasRules ? one : onGrid(one)))
        .filter((one) => one.endsAt - one.startsAt >= own.shortestMinutes * 60);
      (week[each.day] ??= []).push({ room: own, windows, closed: each.closed, open: [] });
    }
  }
  return withHours(week);
}

const window = ({ starts_at: startsAt, ends_at: endsAt }) => ({ startsAt, endsAt });

/** Without rules a window begins now, to the second; people book at full and half hours. */
function onGrid({ startsAt, endsAt }) {
  return { startsAt: Math.ceil(startsAt / GRID_S) * GRID_S, endsAt };
}

function withHours(week) {
  let [first, last] = [86400, 0];
  for (const [key, rooms] of Object.entries(week)) {
    const [midnight, end] = [dayStart(key), dayStart(addDays(key, 1))];
    for (const each of rooms.flatMap((one) => one.windows)) {
      first = Math.min(first, each.startsAt - midnight);
      last = Math.max(last, Math.min(each.endsAt, end) - midnight);
    }
  }
  if (last <= first) return week;
  for (const [key, rooms] of Object.entries(week)) {
    const midnight = dayStart(key);
    for (const each of rooms) each.open = [{ startsAt: midnight + first, endsAt: midnight + last }];
  }
  return week;
}

export function quote(row) {
  return { fee: row.yen, full: row.full_yen, percent: row.reduction_percent, methods: row.methods, category: row.category, reasons: row.reasons.map(reason) };
}

/** A reason of the rules: `words()` in the language of now. */
function reason(row) {
  return { code: row.code, words: () => theirs(row) ?? row.code };
}

/** A booking of mine. `houses`: facilities, for what a booking does not say of its room. */
export function booking(row, houses) {
  const house = houses.find((each) => each.id === row.facility_id) ?? null;
  const money = row.payment;
  return {
    id: row.booking_id, version: row.version, status: row.status, roomId: row.room_id, facilityId: row.facility_id,
    room: house?.rooms.find((each) => each.id === row.room_id) ?? named(row.room_name, row.room, { id: row.room_id, capacity: null, holdersMax: 1 }),
    facility: row.facility_name && named(row.facility_name, "", { address: row.address, phone: row.phone }),
    startsAt: row.starts_at, endsAt: row.ends_at, holdUntil: row.hold_until,
    holderName: row.holder_name, purpose: row.purpose, people: row.people, category: row.category,
    group: row.group && { id: row.group.group_id, name: row.group.name },
    hasKey: row.keyed, reasons: row.reasons.map(reason), note: row.decision_note,
    paymentState: money.state, method: money.method, fee: money.fee_yen, fullFee: money.full_fee_yen, percent: money.reduction_percent,
    paid: money.paid_yen, outstanding: money.outstanding_yen, refundDue: money.refund_due_yen, refunded: money.refunded_yen,
    keptIfCancelled: money.kept_if_cancelled_yen, canPay: money.can_pay_online,
    changeUntil: row.change_until, cancelUntil: row.cancel_until,
    redirectUrl: row.redirect_url ?? null, keyLink: row.key_link ?? null,
  };
}

export function wishBody({ roomId, startsAt, endsAt, people = null, category = "resident", groupId = null }) {
  return { room_id: roomId, starts_at: startsAt, ends_at: endsAt, people, category, group_id: groupId || null };
}

export function bookingBody(held, form) {
  const time = held.id ? { hold_id: held.id } : { room_id: held.roomId, starts_at: held.startsAt, ends_at: held.endsAt };
  return {
    ...time, people: Number(form.people), category: form.category, group_id: form.groupId || null,
    holder_name: form.name.trim(), holder_contact: form.contact.trim(), purpose: form.purpose.trim(),
    method: ["counter", "invoice", "hosted"].includes(form.method) ? form.method : null, for_family: form.forFamily,
  };
}

export function person(row) {
  const way = (each, rest) => named(each.name, each.provider, { provider: each.provider, ...rest });
  return {
    number: row.number, name: row.name, nameIsVerified: row.name_is_verified, level: row.level, resident: row.resident, adult: row.adult,
    verified: row.verified.map((each) => way(each, { verifiedAt: each.verified_at, expiresAt: each.expires_at, expired: each.expired })),
    links: row.links.map((each) => way(each, { lastUsedAt: each.last_used_at })),
  };
}

export function session(row) {
  return { id: row.session_id, device: row.device, seenAt: row.seen_at, current: row.current };
}

export function group(row) {
  return { id: row.group_id, name: row.name, evidenceUntil: row.evidence_until };
}

export function holders(row) {
  return { most: row.most, list: row.holders.map((each) => ({ id: each.holder_id, name: each.name, contact: each.contact })) };
}
