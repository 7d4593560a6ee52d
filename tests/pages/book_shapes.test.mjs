// The service's answers in the site's words, and back: names follow the language, bodies say no more
// than the service takes.

import assert from "node:assert/strict";
import { test } from "node:test";

import * as shapes from "../../cloud/pages/book/shapes.js";
import { backTo, signInAt, signInFirst, to } from "../../cloud/pages/book/ways.js";
import { moment } from "../../cloud/pages/shared/time.js";
import { speak } from "./words.mjs";

const at = (hhmm, day = "2026-12-08") => moment(day, hhmm);
const words = (ja, en) => ({ ja, "ja-simple": ja, en });
const RULES = { slot_minutes: 30, shortest_minutes: 60, longest_minutes: 240, ahead_days: 60, hold_minutes: 15, holders_max: 4 };
const room = (id, rules = RULES) => ({ room_id: id, name: words("和室", "Tatami room"), find: words("二階", "Upstairs"), capacity: 20, assurance: "aal1", rules });
const house = () => shapes.facility({ facility_id: "main", name: words("センター", "Centre"), address: "本町", phone: "01", assurance: "aal1", rooms: [room("a"), room("b", null)] });

test("a name is said in the language of the moment it is read, not of the moment it came", () => {
  const known = house();
  speak("ja");
  assert.deepEqual([known.name, known.rooms[0].name, known.rooms[0].about], ["センター", "和室", "二階"]);
  speak("en");
  assert.deepEqual([known.name, known.rooms[0].name, known.rooms[0].about], ["Centre", "Tatami room", "Upstairs"]);
  assert.equal(known.aheadDays, 365);
});

test("free windows are told by day; all days share their hours; what is too short is left out", () => {
  const line = (id, ...days) => ({ room_id: id, days: days.map(([day, windows]) => ({ day, closed: false, windows: windows.map(([a, b]) => ({ starts_at: at(a, day), ends_at: at(b, day) })) })) });
  const week = shapes.freeByDay([
    line("a", ["2026-12-08", [["09:00", "09:30"], ["10:00", "12:00"]]], ["2026-12-09", [["18:00", "21:30"]]]),
    line("nobody-knows-it", ["2026-12-08", [["00:00", "24:00"]]]),
  ], house());
  const [first, second] = [week["2026-12-08"][0], week["2026-12-09"][0]];
  assert.deepEqual(first.windows, [{ startsAt: at("10:00"), endsAt: at("12:00") }]);
  assert.deepEqual(first.open, [{ startsAt: at("10:00"), endsAt: at("21:30") }]);
  assert.deepEqual(second.open, [{ startsAt: at("10:00", "2026-12-09"), endsAt: at("21:30", "2026-12-09") }]);
  assert.equal(week["2026-12-08"].length, 1);
});

test("without rules a window that begins now, to the second, is offered from the next half hour", () => {
  const now = at("10:00") + 17;
  const rows = [{ room_id: "b", days: [{ day: "2026-12-08", closed: false, windows: [{ starts_at: now, ends_at: at("24:00") }] }] }];
  assert.equal(shapes.freeByDay(rows, house())["2026-12-08"][0].windows[0].startsAt, at("10:30"));
});

const form = { name: " Hana ", contact: "", purpose: " Choir ", people: "8", category: "resident", groupId: "", method: "counter", holders: [], forFamily: false };

test("a booking says hold or time, never both, and nothing that the service does not know", () => {
  const held = shapes.bookingBody({ id: "h1", roomId: "a", startsAt: 1, endsAt: 2 }, form);
  assert.deepEqual(held, {
    hold_id: "h1", people: 8, category: "resident", group_id: null, holder_name: "Hana", holder_contact: "", purpose: "Choir", method: "counter", for_family: false,
  });
  const now = shapes.bookingBody({ id: null, roomId: "a", startsAt: 1, endsAt: 2 }, { ...form, method: "free" });
  assert.deepEqual([now.hold_id, now.room_id, now.starts_at, now.ends_at, now.method], [undefined, "a", 1, 2, null]);
});

test("the way back is a path of this site, whatever the address says", () => {
  for (const bad of ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "", null, "/ a", "/\"x", `/${"a".repeat(501)}`, "\t/x"]) {
    assert.equal(backTo(bad), "/", String(bad));
  }
  for (const good of ["/", "/my/", "/?facility=main&day=2026-12-08", "/booking/?id=a"]) assert.equal(backTo(good), good);
});

test("addresses carry what is put into them as data", () => {
  assert.equal(to("booking", { id: "a&new=1" }), "/booking/?id=a%26new%3D1");
  assert.equal(signInFirst("/my/", "hold"), "/sign-in/?to=%2Fmy%2F&reason=hold");
  assert.equal(signInAt("../x", "//evil"), "/v1/sign-in/..%2Fx?to=%2F");
});
