// What the clerk's desk decides without a screen.

import assert from "node:assert/strict";
import { test } from "node:test";

import { fresh, questionOf, resultsOf } from "../../cloud/pages/console/audit_state.js";
import { freshWish, startsOf, windowOf, wishBody } from "../../cloud/pages/console/book_state.js";
import { deedsOf, knowledgeLine } from "../../cloud/pages/console/booking_state.js";
import { clockWords, paperWords, troubled } from "../../cloud/pages/console/fleet_state.js";
import { poll, waitMs } from "../../cloud/pages/console/poll.js";
import { firstSection, may, maySomewhere, sectionsOf } from "../../cloud/pages/console/rights.js";
import { parseRoute, routeTo } from "../../cloud/pages/console/routes.js";
import * as today from "../../cloud/pages/console/today_state.js";
import { isMonth, monthOf, sumOf, unpaidOf } from "../../cloud/pages/console/totals_state.js";
import { credentialJson, fromBase64url, requestOptions, toBase64url } from "../../cloud/pages/console/webauthn_json.js";
import { tableOf } from "./words.mjs";

const NOW = Date.UTC(2026, 11, 5, 1, 2) / 1000; // 10:02 in Japan

test("a place survives its address, and nonsense is home", () => {
  for (const [name, id, query] of [["today", null, {}], ["bookings", "ab 1/2", {}], ["audit", null, { tab: "staff" }]]) {
    assert.deepEqual(parseRoute(routeTo(name, id, query)), { name, id, query });
  }
  for (const hash of ["", "#", "#/", "#//", "#/%E0%A4%A"]) assert.equal(parseRoute(hash).name, "today");
});

test("only what somebody may do is shown, and names of Object are no rights", () => {
  const clerk = { may: { "booking.read": ["east"], "booking.change": ["east"] } };
  assert.equal(may(clerk, "booking.read", "east"), true);
  assert.equal(may(clerk, "booking.read", "main"), false);
  assert.equal(may(clerk, "booking.read"), false);
  assert.equal(maySomewhere(clerk, "constructor"), false);
  assert.deepEqual(sectionsOf(clerk), ["today", "book"]);
  assert.equal(may({ may: { "staff.read": "*" } }, "staff.read", "anywhere"), true);
  for (const nobody of [null, {}, { may: null }]) assert.equal(firstSection(nobody), null);
});

test("questions never pile up, wait longer while there is no answer, and end", async () => {
  assert.deepEqual([waitMs(10_000, 0), waitMs(10_000, 2), waitMs(10_000, 50)], [10_000, 40_000, 60_000]);
  const planned = [], told = [], failed = [];
  let answer, asked = 0, looked = true;
  const polling = poll({
    ask: (etag) => { asked += 1; return new Promise((resolve, reject) => { answer = { resolve, reject, etag }; }); },
    told: (each) => told.push(each.body), failed: (error) => failed.push(error.message), everyMs: 10_000,
    timers: { set: (run, ms) => planned.push({ run, ms }), clear: () => {} }, looked: () => looked,
  });
  polling.now();
  polling.now();
  assert.equal(asked, 1); // one under way
  answer.resolve({ etag: "a", body: 1 });
  await new Promise(setImmediate);
  assert.deepEqual([told, planned.at(-1).ms], [[1], 0]); // somebody asked meanwhile
  planned.at(-1).run();
  assert.equal(answer.etag, "a");
  answer.reject(new Error("gone"));
  await new Promise(setImmediate);
  assert.deepEqual([failed, planned.at(-1).ms], [["gone"], 20_000]);
  looked = false;
  planned.at(-1).run();
  assert.equal(asked, 2); // nobody looks
  looked = true;
  polling.now();
  polling.stop();
  answer.resolve({ etag: "b", body: 2 });
  await new Promise(setImmediate);
  assert.deepEqual(told, [1]);
});

test("a door is called locked in green only while it is of now", () => {
  const door = { contact: "now", bolt: "locked", door: "closed", held_open: false };
  assert.equal(today.doorWords(door).kind, "good");
  assert.deepEqual([today.doorWords({ ...door, contact: "earlier" }).kind, today.doorWords({ ...door, contact: "earlier" }).stale], ["", true]);
  assert.equal(today.doorWords({ ...door, bolt: "jammed", door: "open" }).code, "desk.door.jammed");
  assert.equal(today.doorWords({ contact: "never" }).code, "desk.door.never");
  assert.equal(today.doorWords(null), null);
});

test("a use is past, now or next, and its badges say what is to be done", () => {
  const use = { starts_at: NOW, ends_at: NOW + 3600, status: "confirmed", payment_state: "counter", key: "issued" };
  assert.deepEqual([today.phase(use, NOW), today.phase(use, NOW - 1), today.phase(use, NOW + 3600)], ["now", "next", "past"]);
  assert.deepEqual(today.bookingBadges(use).map(([, code]) => code), ["desk.pay.counter", "desk.key.issued"]);
  assert.deepEqual(today.bookingBadges({ ...use, payment_state: "settled", key: "collected" }), [["good", "desk.key.collected"]]);
  assert.deepEqual(today.bookingBadges({ ...use, status: "cancelled" }).map(([, code]) => code), ["desk.status.cancelled"]);
});

test("the strip of a day holds every use, and filters hide without changing", () => {
  const room = { bookings: [{ starts_at: NOW - 4 * 3600, ends_at: NOW, status: "confirmed" }] };
  const start = NOW - 10 * 3600 - 120;
  const [from, to] = today.stripSpan([room], start);
  assert.ok(from <= room.bookings[0].starts_at && to === start + 22 * 3600);
  const part = today.stripPart(room.bookings[0], from, to);
  assert.ok(part.start >= 0 && part.start + part.size <= 1);
  const houses = [{ facility_id: "a", rooms: [room, { bookings: [] }] }, { facility_id: "b", rooms: [{ bookings: [] }] }];
  assert.equal(today.narrowed(houses, { onlyUsed: true })[0].rooms.length, 1);
  assert.equal(today.narrowed(houses, { facilityId: "b" }).length, 1);
  assert.deepEqual(today.counts(houses, NOW - 60), { all: 1, now: 1 });
  assert.deepEqual(today.nextFirst([{ starts_at: 1, ends_at: 2 }, { starts_at: NOW + 9, ends_at: NOW + 10 }, { starts_at: 3, ends_at: 4 }], NOW).map((each) => each.starts_at), [NOW + 9, 3, 1]);
});

test("deeds fit the booking and the person", () => {
  const booking = { status: "confirmed", starts_at: NOW, ends_at: NOW + 3600, keyed: true, payment: { outstanding_yen: 800, refund_due_yen: 0 } };
  const names = (more, allowed = () => true) => deedsOf({ ...booking, ...more }, null, NOW, allowed).map((each) => each.name);
  assert.deepEqual(names({}), ["open", "paid", "waive", "slip", "reissue", "change", "cancel"]);
  assert.deepEqual(names({ starts_at: NOW + 7200, ends_at: NOW + 9000 }).includes("open"), false);
  assert.deepEqual(names({ status: "pending", keyed: false }), ["approve", "decline", "paid", "waive", "change", "cancel"]);
  assert.deepEqual(names({ status: "cancelled", keyed: false, payment: { outstanding_yen: 0, refund_due_yen: 800 } }), ["refunded"]);
  assert.deepEqual(names({}, (action) => action === "key.pin"), ["slip"]);
  assert.deepEqual(names({ ends_at: NOW }), ["paid", "waive"]);
  for (const name of names({})) assert.ok(tableOf("ja")[`desk.deed.${name}`]);
});

test("a month's houses add up to the line below them", () => {
  const east = { facility_id: "east", month: "2026-12", uses: 2, fee_yen: 800, counter_yen: 300, invoice_yen: 0, pending_yen: 100 };
  const main = { ...east, facility_id: "main", uses: 5, fee_yen: 1200, counter_yen: 0 };
  assert.deepEqual(sumOf([east, main]), { uses: 7, fee_yen: 2000, counter_yen: 300, invoice_yen: 0, pending_yen: 200 });
  assert.deepEqual([unpaidOf(east), unpaidOf(main), unpaidOf(sumOf([east, main]))], [400, 100, 500]);
  for (const month of [monthOf("2026-12-05"), "2027-01", "2099-10"]) assert.ok(isMonth(month), month);
  for (const text of ["", "2026-13", "2026-00", "2026-1", "12/2026", "1999-12", "2026-12-05"]) assert.ok(!isMonth(text), text);
});

test("a withdrawn key is told as known only when the lock knows", () => {
  assert.deepEqual(knowledgeLine({ what: "key", known_by_lock: false }), { code: "desk.knows.key_waiting", waiting: true });
  assert.deepEqual(knowledgeLine({ what: "pin", known_by_lock: true }), { code: "desk.knows.pin_told", waiting: false });
});

test("papers and clocks: unknown is unknown, behind is told", () => {
  assert.equal(paperWords({ held: null, newest: 4 }).code, "desk.unknown");
  assert.equal(paperWords({ held: 3, newest: 4 }).behind, true);
  assert.equal(paperWords({ held: 4, newest: 4 }).behind, false);
  assert.equal(clockWords(null).code, "desk.unknown");
  assert.deepEqual(clockWords({ lo: 1, hi: 5, width_s: 4, sure: true, off_by_s: 0 }), { code: "desk.fleet.clock_seconds", params: { n: 2 }, kind: "good" });
  assert.equal(clockWords({ lo: 1, hi: null, width_s: null, sure: false, off_by_s: 0 }).kind, "warn");
  assert.equal(clockWords({ lo: 1, hi: 2, width_s: 1, sure: false, off_by_s: 3600 }).code, "desk.fleet.clock_off");
  const well = { contact: "now", list: { held: 1, newest: 1 }, keyset: { held: 1, newest: 1 }, config: { held: 0, newest: 0 }, clock: null };
  assert.deepEqual(troubled([well, { ...well, contact: "earlier" }, { ...well, list: { held: 0, newest: 1 } }]).length, 2);
});

test("the question to the record has whole days in Japan and only what was asked", () => {
  const asked = fresh(NOW);
  assert.deepEqual([asked.first, asked.last], ["2026-11-29", "2026-12-05"]);
  const query = new URLSearchParams(questionOf({ ...asked, who: " 山田 " }, { after: null, lang: "ja" }));
  assert.equal(Number(query.get("to")) - Number(query.get("from")), 7 * 86400);
  assert.deepEqual([query.get("who"), query.get("lang"), query.has("room_id"), query.has("after")], ["山田", "ja", false, false]);
  for (const event of ["LockOperation", "LockOperationError", "DoorLockAlarm", "DoorState"]) {
    const words = tableOf("en");
    for (const each of resultsOf(event)) assert.ok(words[`desk.result.${each}`] || words[`desk.reason.${each}`], each);
  }
  assert.deepEqual(resultsOf("Boot"), []);
});

test("a wish leaves out what was left empty", () => {
  const kept = freshWish(NOW);
  const room = { room_id: "room-1", name: {}, slot_minutes: 30, days: [{ starts: [NOW, NOW + 1800] }] };
  assert.deepEqual(startsOf(room, 60), [NOW, NOW + 1800]);
  assert.deepEqual(startsOf({ ...room, days: [{ windows: [{ starts_at: NOW, ends_at: NOW + 5400 }] }] }, 60), [NOW, NOW + 1800]);
  kept.window = windowOf(room, NOW, 60);
  kept.name = " 高橋 ";
  assert.deepEqual(wishBody(kept, { quote: true }), { room_id: "room-1", starts_at: NOW, ends_at: NOW + 3600, category: "resident" });
  const body = wishBody({ ...kept, people: "4", group: "g1", method: "free" });
  assert.deepEqual([body.holder_name, body.people, body.group_id, body.method], ["高橋", 4, "g1", undefined]);
  assert.equal(wishBody({ ...kept, method: "counter" }).method, "counter");
});

test("bytes go to and from JSON as WebAuthn wants", () => {
  const bytes = Uint8Array.from({ length: 255 }, (_, at) => at);
  assert.deepEqual(fromBase64url(toBase64url(bytes)), bytes);
  assert.ok(!/[+/=]/.test(toBase64url(bytes)));
  const options = requestOptions({ challenge: "AQID", rpId: "x" });
  assert.deepEqual([[...options.challenge], options.allowCredentials], [[1, 2, 3], []]);
  const json = credentialJson({ id: "a", rawId: new Uint8Array([1]).buffer, type: "public-key", response: { clientDataJSON: new Uint8Array([2]).buffer, signature: null } });
  assert.deepEqual(json, { id: "a", rawId: "AQ", type: "public-key", response: { clientDataJSON: "Ag" } });
});
