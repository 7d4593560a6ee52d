// The booking site's decisions, without a page: search, holds, forms, standings.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as flow from "../../cloud/pages/book/booking_flow.js";
import * as search from "../../cloud/pages/book/search.js";
import { addDays, dayStart, moment } from "../../cloud/pages/shared/time.js";
import { tableOf } from "./words.mjs";

const NOW = moment("2026-11-22", "10:15"); // a Sunday
const TODAY = "2026-11-22";
const HALL = { id: "hall", aheadDays: 30 };
const PLACES = [HALL, { id: "barn", aheadDays: 7 }];
const RULES = { slotMinutes: 30, shortestMinutes: 60, longestMinutes: 180 };
const at = (hhmm, day = TODAY) => moment(day, hhmm);
const window = (from, to) => ({ startsAt: at(from), endsAt: at(to) });
const read = (text) => search.readChoice(new URLSearchParams(text), PLACES, NOW);

test("an address without a choice shows the first building today", () => {
  assert.deepEqual(read(""), { facilityId: "hall", day: TODAY, people: 1 });
});

test("an address that was tampered with is brought into bounds, never believed", () => {
  assert.deepEqual(read("facility=nowhere&day=2020-01-01&people=-5"), { facilityId: "hall", day: TODAY, people: 1 });
  assert.deepEqual(read("facility=barn&day=2099-01-01&people=999999"), { facilityId: "barn", day: "2026-11-29", people: 9999 });
  assert.deepEqual(read("day=2026-02-31&people=1e3"), { facilityId: "hall", day: TODAY, people: 1 });
  assert.deepEqual(search.readChoice(new URLSearchParams("facility=hall"), [], NOW).facilityId, null);
});

test("a choice survives its own address", () => {
  const choice = { facilityId: "barn", day: "2026-11-25", people: 12 };
  assert.deepEqual(read(search.writeChoice(choice)), choice);
});

test("the strip counts from today: no day of it is past, and it ends where booking ends", () => {
  const first = search.weekStrip(TODAY, HALL, { "2026-11-23": "few" }, NOW);
  assert.deepEqual([first.before, first.after], [null, "2026-11-29"]);
  assert.deepEqual([first.days[0].key, first.days[0].today, first.days[0].chosen], [TODAY, true, true]);
  assert.deepEqual([first.days[1].mark, first.days[2].mark], ["few", "unknown"]);
  const last = search.weekStrip("2026-12-22", HALL, {}, NOW);
  assert.deepEqual([last.days[0].key, last.before, last.after], ["2026-12-20", "2026-12-15", null]);
  assert.deepEqual(last.days.map((each) => each.mark === "out"), [false, false, false, true, true, true, true]);
});

test("every day that can be booked is in exactly the strip that it leads to", () => {
  const { first, last } = search.daysOf(HALL, NOW);
  for (let key = first; key <= last; key = addDays(key, 1)) {
    const strip = search.weekStrip(key, HALL, {}, NOW);
    assert.deepEqual(strip.days.filter((each) => each.chosen).map((each) => each.key), [key]);
    assert.equal(strip.days.length, 7);
  }
});

test("a day is marked by what is free in rooms that are large enough", () => {
  const rooms = [
    { room: { capacity: 6 }, windows: [window("09:00", "21:00")] },
    { room: { capacity: 20 }, windows: [window("09:00", "11:00")] },
    { room: { capacity: 30 }, windows: [] },
  ];
  assert.deepEqual([1, 10, 25].map((people) => search.mark(rooms, people)), ["many", "few", "none"]);
  assert.equal(search.mark([{ room: { capacity: null }, windows: [window("09:00", "13:00")] }], 5000), "many");
});

test("a day is a ruler in whole hours and rooms in order of use", () => {
  const open = [window("09:30", "21:30")];
  const view = search.dayView(TODAY, [
    { room: { id: "small", capacity: 4 }, windows: [window("10:00", "12:00")], open },
    { room: { id: "shut", capacity: 40 }, windows: [], closed: true },
    { room: { id: "full", capacity: 40 }, windows: [], open },
    { room: { id: "free", capacity: 40 }, windows: [window("09:30", "11:00"), window("20:30", "21:30")], open },
  ], 10);
  assert.deepEqual(view.rows.map((each) => [each.room.id, each.standing]),
    [["free", "free"], ["full", "taken"], ["shut", "closed"], ["small", "small"]]);
  assert.deepEqual([view.from, view.to, view.columns, view.free], [at("09:00"), at("22:00"), 52, 1]);
  assert.deepEqual(view.rows[0].windows.map((each) => each.column), [{ start: 3, end: 9 }, { start: 47, end: 51 }]);
  assert.deepEqual([view.hours[0], view.hours.at(-1)], [{ hour: 9, column: 1 }, { hour: 21, column: 49 }]);
});

test("a day on which nothing opens still has a ruler", () => {
  const view = search.dayView(TODAY, [{ room: { id: "a", capacity: 1 }, windows: [], closed: true }], 1);
  assert.deepEqual([view.columns, view.free, view.rows[0].standing], [32, 0, "closed"]);
  assert.deepEqual(search.dayView(TODAY, [], 1).rows, []);
});

test("a window until midnight ends the ruler at midnight", () => {
  const late = { startsAt: at("22:00"), endsAt: dayStart("2026-11-23") };
  const view = search.dayView(TODAY, [{ room: { id: "a", capacity: 9 }, windows: [late], open: [late] }], 1);
  assert.deepEqual([view.to, view.rows[0].windows[0].column], [dayStart("2026-11-23"), { start: 1, end: 9 }]);
});

test("starts and ends are on the grid, inside the window, neither too short nor too long", () => {
  const free = window("09:00", "13:00");
  const starts = search.startsIn(free, RULES);
  assert.deepEqual([starts[0], starts.at(-1), starts.length], [at("09:00"), at("12:00"), 7]);
  for (const start of starts) {
    const ends = search.endsFor(free, start, RULES);
    assert.ok(ends.length > 0);
    for (const end of ends) {
      assert.ok(end <= free.endsAt && end - start >= 3600 && end - start <= 3 * 3600 && (end - start) % 1800 === 0);
    }
  }
  assert.deepEqual(search.startsIn(window("09:00", "09:30"), RULES), []);
});

test("what is offered first keeps the wished start and length where it can", () => {
  const free = window("09:00", "13:00");
  assert.deepEqual(search.offer(free, RULES), { start: at("09:00"), end: at("11:00") });
  assert.deepEqual(search.offer(free, RULES, 90, at("10:00")), { start: at("10:00"), end: at("11:30") });
  assert.deepEqual(search.offer(free, RULES, 600, at("12:00")), { start: at("12:00"), end: at("13:00") });
  assert.deepEqual(search.offer(free, RULES, 120, at("08:00")).start, at("09:00"));
  assert.equal(search.offer(window("09:00", "09:30"), RULES), null);
});

test("the service's clock counts, also on a phone that is a day wrong", () => {
  let device = NOW - 86400;
  const clock = flow.serviceClock(() => device);
  clock.heard(NOW);
  device += 60;
  assert.equal(clock.now(), NOW + 60);
  clock.heard(undefined);
  assert.equal(clock.now(), NOW + 60);
});

test("a hold runs out, hurries in its last two minutes, and is spoken of four times", () => {
  assert.deepEqual(flow.holdStanding(NOW + 600, NOW), { left: 600, over: false, hurry: false });
  assert.deepEqual(flow.holdStanding(NOW + 90, NOW), { left: 90, over: false, hurry: true });
  assert.deepEqual(flow.holdStanding(NOW, NOW), { left: 0, over: true, hurry: false });
  const spoken = [];
  for (let left = 400; left > 0; left -= 1) {
    const said = flow.spokenAt(left, left - 1);
    if (said !== null) spoken.push(said);
  }
  assert.deepEqual(spoken, [300, 120, 60, 0]);
  assert.equal(flow.spokenAt(400, 30), 300); // a laptop that slept: once, not three times
});

const holder = (name) => ({ name, contact: "" });
const good = () => ({ ...flow.emptyForm({ people: 4, method: "counter" }), purpose: "Choir", name: "Hana" });
const limits = { capacity: 10, holdersMax: 3, methods: ["counter"] };

test("a form that is whole can be sent", () => {
  assert.deepEqual(flow.wrongIn(good(), limits), {});
});

test("a form says by field what it lacks, each with a text in every language", () => {
  const wrong = [
    { name: " " }, { purpose: "  " }, { purpose: "x".repeat(201) }, { people: "" }, { people: "0" }, { people: "4.5" }, { people: "11" },
    { method: null }, { method: "hosted" }, { holders: [holder("")] }, { holders: [holder("x".repeat(101))] }, { holders: ["a", "b", "c"].map(holder) },
  ].map((change) => flow.wrongIn({ ...good(), ...change }, limits));
  const codes = wrong.map((each) => Object.values(each));
  assert.ok(codes.every((each) => each.length === 1), JSON.stringify(wrong));
  for (const lang of ["ja", "ja-simple", "en"]) {
    for (const [code] of codes) assert.ok(Object.hasOwn(tableOf(lang), code), code);
  }
});

const booking = (change = {}) => ({
  id: "b", status: "confirmed", startsAt: NOW + 3600, endsAt: NOW + 7200, paymentState: "settled", fee: 800, hasKey: true, ...change,
});

test("the next booking is the earliest that is not over; what ended comes last, newest first", () => {
  const list = [
    booking({ id: "later", startsAt: NOW + 90000, endsAt: NOW + 93600 }),
    booking({ id: "gone", status: "cancelled" }),
    booking({ id: "running", startsAt: NOW - 600 }),
    booking({ id: "old", startsAt: NOW - 9000, endsAt: NOW - 1 }),
  ];
  const { next, later, past } = flow.sorted(list, NOW);
  assert.deepEqual([next.id, later.map((b) => b.id), past.map((b) => b.id)], ["running", ["later"], ["gone", "old"]]);
  assert.deepEqual(flow.sorted([], NOW), { next: null, later: [], past: [] });
});

const STATUSES = ["held", "pending", "confirmed", "cancelled", "declined", "expired"];
const MONEY = ["settled", "exempt", "external", "counter", "invoice", "pending", "refund_due", "refunded", "void"];

test("every status with every state of the money can be said in every language", () => {
  const codes = new Set();
  for (const status of STATUSES) {
    for (const paymentState of MONEY) {
      for (const hasKey of [true, false]) {
        for (const [startsAt, endsAt] of [[NOW + 1, NOW + 2], [NOW - 1, NOW + 2], [NOW - 2, NOW - 1]]) {
          const each = booking({ status, paymentState, hasKey, startsAt, endsAt });
          codes.add(flow.standing(each, NOW).code);
          codes.add(flow.paymentStanding(each)?.code);
          codes.add(flow.nextStep(each, NOW));
        }
      }
    }
  }
  codes.delete(undefined);
  codes.delete(null);
  assert.ok(codes.size > 18);
  for (const lang of ["ja", "ja-simple", "en"]) {
    for (const code of codes) assert.ok(Object.hasOwn(tableOf(lang), code), code);
  }
});

test("a key is offered as the next step only where there is one", () => {
  assert.equal(flow.nextStep(booking(), NOW), "book.do_key");
  assert.equal(flow.nextStep(booking({ hasKey: false }), NOW), null);
  assert.equal(flow.nextStep(booking({ paymentState: "counter", hasKey: false }), NOW), "book.do_pay_counter");
  assert.equal(flow.nextStep(booking({ paymentState: "counter" }), NOW), "book.do_pay_counter_later");
  assert.equal(flow.nextStep(booking({ status: "pending" }), NOW), "book.do_wait");
  assert.equal(flow.nextStep(booking({ status: "declined" }), NOW), null);
  assert.equal(flow.nextStep(booking({ endsAt: NOW }), NOW), null);
});

test("nothing is said of money where there never was any to pay", () => {
  assert.equal(flow.paymentStanding(booking({ fee: 0 })), null);
  assert.equal(flow.paymentStanding(booking({ paymentState: "void" })), null);
});

test("a deadline is open until its moment", () => {
  assert.equal(flow.deadline(NOW + 1, NOW).open, true);
  assert.equal(flow.deadline(NOW, NOW).open, false);
  assert.equal(flow.deadline(null, NOW).open, false);
});
