// The key page's deciding, as a table of cases; run by tests/pages/test_key_state.py.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import * as state from "../../cloud/pages/key/state.js";

const NOW = 1_796_432_400; // 2026-12-05 10:00 in Tokyo
const MIN = 60;
const PAD = 600;

function key(given = {}) {
  const { startsAt = NOW - 5 * MIN, endsAt = NOW + 55 * MIN } = given;
  return {
    id: "b1",
    room: "第1会議室",
    facility: "みさき公民館",
    howToFind: "二階の奥",
    phone: "0123-45-6789",
    pin: "1234567890",
    startsAt,
    endsAt,
    opensAt: startsAt - PAD,
    closesAt: endsAt + PAD,
    doors: [{ lockId: "aaaaaaaa", name: null }],
    hasTicket: true,
    hasLink: true,
    gone: null,
    ...given,
  };
}

const PHONE = { radio: "ready", network: true, keep: true };
const IPHONE = { radio: "absent", network: true, keep: true };
const DEEP = { radio: "ready", network: false, keep: true }; // in a cellar
const NOTHING = { radio: "absent", network: false, keep: true };

function situation(given = {}) {
  return state.initial({ keys: [key()], loaded: true, can: PHONE, townsClock: true, ...given });
}

function after(start, ...events) {
  return events.reduce(state.next, start);
}

const pressed = (way = "bluetooth", command = "unlock") => ({ kind: "pressed", way, command });
const outcome = (code, more = {}) => ({
  kind: "outcome",
  at: NOW,
  result: { code, granted: ["OPENED", "LOCKED"].includes(code), ...more },
});
const does = (picture) => picture.helps.map((help) => help.do);

// ---- where a key stands

for (const [at, phase] of [
  [NOW - 16 * MIN, "early"],
  [NOW - 15 * MIN, "open"], // the token's window begins ten minutes before the booking
  [NOW, "open"],
  [NOW + 65 * MIN - 1, "open"],
  [NOW + 65 * MIN, "ended"],
]) {
  test(`a key at ${(at - NOW) / 60} minutes is ${phase}`, () => {
    assert.equal(state.phaseOf(key(), at), phase);
  });
}

test("what opens now comes first, then what comes next, then what is over", () => {
  const day = 86_400;
  const keys = [
    key({ id: "past", startsAt: NOW - day, endsAt: NOW - day + 3600 }),
    key({ id: "later", startsAt: NOW + 2 * day, endsAt: NOW + 2 * day + 3600 }),
    key({ id: "cancelled", gone: "BOOKING_CANCELLED" }),
    key({ id: "next", startsAt: NOW + day, endsAt: NOW + day + 3600 }),
    key({ id: "now" }),
  ];
  const order = state.ordered(keys, NOW).map((each) => each.id);
  assert.deepEqual(order, ["now", "next", "later", "past", "cancelled"]);
  const picture = state.view(situation({ keys }), NOW);
  assert.equal(picture.key.id, "now");
  assert.deepEqual(picture.others.map((each) => each.key.id), order.slice(1));
  assert.equal(state.view(situation({ keys, chosenId: "later" }), NOW).key.id, "later");
});

// ---- which screen

const SCREENS = [
  ["nothing is known before the device has looked", { loaded: false }, "loading"],
  ["a key is shown", {}, "key"],
  ["a link is offered for collecting", { secret: true }, "claim"],
  ["no key, no link", { keys: [] }, "empty"],
  ["a browser that keeps nothing", { can: { ...PHONE, keep: false } }, "browser"],
  ["a link inside an app", { secret: true, browser: "line" }, "browser"],
  ["a link inside an app, and the person stays", { secret: true, browser: "line", stays: true }, "claim"],
  ["a key that already lives inside an app", { browser: "line" }, "key"],
  ["no key inside an app", { keys: [], browser: "line" }, "browser"],
  ["a sticker of one's own door", { doorId: "aaaaaaaa" }, "key"],
  ["a sticker of another door", { doorId: "bbbbbbbb" }, "door"],
  ["a sticker of another door, then one's own key", { doorId: "bbbbbbbb", chosenId: "b1" }, "key"],
];
for (const [name, given, screen] of SCREENS) {
  test(`screen: ${name}`, () => {
    assert.equal(state.view(situation(given), NOW).screen, screen);
  });
}

test("the sticker shows the key for that door, although another one is due sooner", () => {
  const there = { id: "b2", doors: [{ lockId: "bbbbbbbb" }], startsAt: NOW + 3600, endsAt: NOW + 7200 };
  const picture = state.view(situation({ keys: [key(), key(there)], doorId: "bbbbbbbb" }), NOW);
  assert.equal(picture.key.id, "b2");
});

// ---- the way to the door

const WAYS = [
  [PHONE, {}, "bluetooth"],
  [IPHONE, {}, "relay"],
  [DEEP, {}, "bluetooth"],
  [{ ...PHONE, radio: "off" }, {}, "relay"],
  [NOTHING, {}, null],
  [IPHONE, { hasTicket: false }, null],
];
for (const [can, given, way] of WAYS) {
  test(`way: ${JSON.stringify(can)} ${JSON.stringify(given)} -> ${way}`, () => {
    const pressedKey = key(given);
    const does_ = state.press(situation({ can }), pressedKey, NOW);
    assert.deepEqual(does_, way ? { do: "open", way } : { do: "explain", code: "NO_WAY_TO_DOOR" });
  });
}

test("a way that the person wants is taken only where there is one", () => {
  assert.equal(state.wayFor(situation(), key(), "relay"), "relay");
  assert.equal(state.wayFor(situation({ can: IPHONE }), key(), "bluetooth"), null);
});

// ---- the button

test("ready: the button opens and says where to press it", () => {
  const { button, canLock, says } = state.view(situation(), NOW);
  assert.deepEqual(button, { state: "ready", label: "key.open", hint: "key.hint_here" });
  assert.equal(canLock, true);
  assert.equal(says.code, "key.ready");
});

test("before the window the button explains, counts down, and opens nothing", () => {
  const at = NOW - 15 * MIN - 12 * MIN;
  const early = situation();
  assert.deepEqual(state.press(early, key(), at), { do: "explain", code: "NOT_YET_VALID" });
  const picture = state.view(early, at);
  assert.equal(picture.minutesLeft, 12);
  assert.deepEqual(picture.says, { tone: "wait", code: "NOT_YET_VALID", params: { minutes: 12 } });
  assert.equal(picture.button.state, "early");
  assert.equal(picture.canLock, false);
  assert.equal(state.view(early, at + 30).minutesLeft, 12);
  assert.equal(state.view(early, at + 61).minutesLeft, 11);
});

test("a long wait is told as a time, and each press is told anew", () => {
  const at = NOW - 3 * 3600;
  const once = after(situation(), { kind: "explained", code: "NOT_YET_VALID" });
  const twice = after(once, { kind: "explained", code: "NOT_YET_VALID" });
  const [first, second] = [once, twice].map((each) => state.view(each, at).says);
  assert.deepEqual(first.params, { opens_at: { time: NOW - 15 * MIN } });
  assert.equal(first.code, "NOT_YET_VALID_LONG");
  assert.notEqual(first.again, second.again);
});

test("the countdown ends by itself: the button becomes ready", () => {
  const early = after(situation(), { kind: "explained", code: "NOT_YET_VALID" });
  assert.equal(state.view(early, NOW - 16 * MIN).button.state, "early");
  assert.equal(state.view(early, NOW - 15 * MIN).button.state, "ready");
  assert.equal(state.view(early, NOW - 15 * MIN).says.code, "key.ready");
});

test("a phone's own clock takes no opening away: one more press tries the lock", () => {
  const at = NOW - 30 * MIN;
  const unsure = situation({ townsClock: false });
  assert.equal(state.press(unsure, key(), at).do, "explain");
  const told = state.view(after(unsure, { kind: "explained", code: "NOT_YET_VALID" }), at);
  assert.ok(does(told).includes("try"));
  assert.deepEqual(state.press(unsure, key(), at, "try"), { do: "open", way: "bluetooth" });
  const sure = after(situation(), { kind: "explained", code: "NOT_YET_VALID" });
  assert.ok(!does(state.view(sure, at)).includes("try"));
});

test("while it opens, a second press waits and nothing else is offered", () => {
  const working = after(situation(), pressed(), { kind: "progress", step: "present" });
  assert.deepEqual(state.press(working, key(), NOW), { do: "wait" });
  const picture = state.view(working, NOW);
  assert.equal(picture.button.state, "working");
  assert.equal(picture.says.code, "key.step_talk");
  assert.deepEqual(picture.helps, []);
  assert.equal(picture.canLock, false);
});

test("an open door is shown for a while and then the button is ready again", () => {
  const opened = after(situation(), pressed(), outcome("OPENED"));
  assert.equal(state.view(opened, NOW + 1).button.state, "opened");
  assert.equal(state.view(opened, NOW + 1).says.tone, "good");
  assert.deepEqual(state.view(opened, NOW + 1).helps, []);
  assert.equal(state.view(opened, NOW + 30).button.state, "ready");
  assert.equal(state.view(opened, NOW + 300).says.code, "key.ready");
});

test("a late step of an attempt that is over changes nothing", () => {
  const over = after(situation(), pressed(), outcome("OPENED"));
  assert.deepEqual(after(over, { kind: "progress", step: "present" }), over);
});

// ---- what is offered after a refusal: [code, way, capabilities, expected helps]

const REFUSALS = [
  ["NO_LOCK", "bluetooth", PHONE, ["relay", "pin", "phone"]],
  ["NO_LOCK", "bluetooth", DEEP, ["pin", "phone"]],
  ["NOT_CHOSEN", "bluetooth", PHONE, ["relay", "pin", "phone"]],
  ["BLUETOOTH_BLOCKED", "bluetooth", DEEP, ["pin", "phone"]],
  ["GATEWAY_OFFLINE", "relay", IPHONE, ["pin", "phone"]],
  ["GATEWAY_OFFLINE", "relay", PHONE, ["bluetooth", "again", "pin", "phone"]],
  ["TIMEOUT", "relay", IPHONE, ["pin", "phone"]],
  ["BUSY", "bluetooth", PHONE, []],
  ["BUSY", "relay", PHONE, ["again"]],
  ["JAMMED", "bluetooth", PHONE, ["phone"]],
  ["TIME_UNKNOWN", "bluetooth", DEEP, ["pin", "phone"]],
  ["TIME_UNKNOWN", "bluetooth", PHONE, ["relay", "pin", "phone"]],
  ["REVOKED", "bluetooth", PHONE, ["refresh", "phone"]],
  ["EXPIRED", "bluetooth", PHONE, ["phone"]],
  ["BAD_MAC", "bluetooth", PHONE, ["refresh", "pin", "phone"]],
  ["BAD_MAC", "bluetooth", DEEP, ["pin", "phone"]],
  ["NO_TICKET", "relay", IPHONE, ["refresh", "pin", "phone"]],
  ["STORAGE", "bluetooth", PHONE, ["phone"]],
  ["SCOPE", "bluetooth", PHONE, ["pin", "phone"]],
  ["WRONG_LOCK", "bluetooth", PHONE, ["find", "phone"]],
  ["A_REASON_OF_LATER_DAYS", "bluetooth", PHONE, ["pin", "phone"]],
];
for (const [code, way, can, wanted] of REFUSALS) {
  test(`after ${code} by ${way}, ${can.network ? "with" : "without"} signal`, () => {
    const told = state.view(after(situation({ can }), pressed(way), outcome(code)), NOW);
    assert.deepEqual(does(told), wanted);
    assert.equal(told.says.code, code);
  });
}

test("Bluetooth that finds no door offers the relay; nothing takes it by itself", () => {
  const refused = after(situation(), pressed(), outcome("NO_LOCK"));
  assert.equal(refused.attempt.phase, "told");
  assert.deepEqual(state.press(refused, key(), NOW), { do: "open", way: "bluetooth" });
  assert.deepEqual(state.press(refused, key(), NOW, "relay"), { do: "open", way: "relay" });
});

test("the big button tries the same way again; another way gets a button of its own", () => {
  const locking = after(situation(), pressed("bluetooth", "lock"), outcome("UNREACHABLE"));
  assert.deepEqual(state.view(locking, NOW).helps[0], { do: "again", command: "lock", way: "bluetooth" });
  assert.equal(state.view(locking, NOW).canLock, true);
  const opening = after(situation(), pressed(), outcome("UNREACHABLE"));
  assert.equal(state.view(opening, NOW).canLock, false);
});

test("no signal and no Bluetooth: the number and the office, before any press", () => {
  const picture = state.view(situation({ can: NOTHING }), NOW);
  assert.equal(picture.button.hint, "key.hint_no_way");
  assert.deepEqual(does(picture), ["pin", "phone"]);
  const bare = situation({ can: NOTHING, keys: [key({ pin: null, phone: null })] });
  assert.deepEqual(does(state.view(bare, NOW)), []);
});

test("a radio that is switched off is named where it is the only way", () => {
  const off = situation({ can: { radio: "off", network: false, keep: true } });
  assert.deepEqual(state.press(off, key(), NOW), { do: "explain", code: "BLUETOOTH_OFF" });
  const told = after(off, { kind: "explained", code: "BLUETOOTH_OFF" });
  assert.equal(state.view(told, NOW).says.code, "BLUETOOTH_OFF");
  const on = after(told, { kind: "radio", is: "ready" });
  assert.equal(state.view(on, NOW).says.code, "key.ready");
});

test("a renewed key is told as good news", () => {
  const told = after(situation(), { kind: "notice", code: "KEY_CHANGED", at: NOW });
  assert.equal(state.view(told, NOW).says.tone, "good");
  assert.equal(state.view(told, NOW).button.state, "ready");
});

test("the wrong room names the right one, and switches to a key that fits this door", () => {
  const other = key({ id: "b2", room: "和室", doors: [{ lockId: "bbbbbbbb" }] });
  const start = situation({ keys: [key(), other], chosenId: "b1" });
  const told = state.view(after(start, pressed(), outcome("WRONG_LOCK", { door: "bbbbbbbb" })), NOW);
  assert.deepEqual(told.says.params, { room: "第1会議室" });
  assert.deepEqual(told.helps[0], { do: "switch", id: "b2", room: "和室" });
  const nameless = situation({ keys: [key({ room: "" })] });
  const plain = state.view(after(nameless, pressed(), outcome("WRONG_LOCK")), NOW);
  assert.equal(plain.says.code, "WRONG_LOCK_PLAIN");
});

test("the lock's own word about the time counts more than the phone's", () => {
  const told = outcome("NOT_YET_VALID", { opensAt: NOW + 12 * MIN });
  const { says } = state.view(after(situation(), pressed(), told), NOW);
  assert.deepEqual(says.params, { minutes: 12 });
  assert.equal(says.tone, "wait");
});

test("a withdrawn key opens nothing more, says why, and what may help", () => {
  const cases = [["REVOKED", ["refresh", "phone"]], ["BOOKING_CANCELLED", ["phone"]], ["KEY_REPLACED", ["new-link", "phone"]]];
  for (const [gone, wanted] of cases) {
    const over = situation({ keys: [key({ gone })] });
    assert.deepEqual(state.press(over, over.keys[0], NOW), { do: "explain", code: gone });
    assert.deepEqual(state.press(over, over.keys[0], NOW, "try"), { do: "explain", code: gone });
    const picture = state.view(over, NOW);
    assert.equal(picture.says.code, gone);
    assert.equal(picture.button.state, "over");
    assert.deepEqual(does(picture), wanted);
    assert.deepEqual(picture.tools.map((tool) => tool.do), ["forget"]);
  }
});

// ---- collecting

test("a refused claim is told in the town's words, with what to do", () => {
  const texts = { ja: "鍵は 12/5 9:50 から受け取れます。" };
  const cases = [
    ["OTHER_DEVICE", ["new-link", "not-me"]],
    ["TOO_EARLY_FOR_KEY", ["claim"]],
    ["OFFLINE", ["claim"]],
    ["UNKNOWN_KEY", ["new-link"]],
    ["TOO_MANY", ["claim"]],
    ["BOOKING_CANCELLED", []],
  ];
  for (const [code, wanted] of cases) {
    const start = situation({ keys: [], secret: true });
    const told = state.view(after(start, { kind: "claiming" }, { kind: "refused", code, texts }), NOW);
    assert.equal(told.screen, "claim");
    assert.deepEqual(told.says, { code, texts });
    assert.deepEqual(does(told), wanted);
  }
});

test("what was collected is shown at once, the same key only once", () => {
  const again = key({ room: "音楽室" });
  const collected = { kind: "claimed", key: again, at: NOW };
  const held = after(situation({ secret: true }), { kind: "claiming" }, collected);
  assert.equal(state.view(held, NOW).says.code, "key.claimed");
  assert.equal(state.view(held, NOW).button.state, "ready");
  assert.equal(held.keys.length, 1);
  assert.equal(state.view(held, NOW).key.room, "音楽室");
  assert.equal(held.secret, false);
});

// ---- housekeeping

test("what needs the network says so instead of failing", () => {
  const tools = Object.fromEntries(
    state.view(situation({ can: DEEP }), NOW).tools.map((tool) => [tool.do, tool.needs]),
  );
  assert.deepEqual(tools, { slip: true, "hand-over": false, cancel: false, "not-me": false });
});

test("a key that is over is kept for a week", () => {
  const kept = key();
  assert.deepEqual(state.outworn([kept], kept.closesAt + state.KEPT_S - 1), []);
  assert.deepEqual(state.outworn([kept], kept.closesAt + state.KEPT_S), ["b1"]);
});

test("no event and no picture changes what it was given", () => {
  const frozen = freeze(situation());
  const events = [
    pressed(), { kind: "progress", step: "present" }, outcome("NO_LOCK"), { kind: "network", is: false },
    { kind: "choose", id: "b1" }, { kind: "kept", key: key() }, { kind: "forgot", id: "b1" },
  ];
  for (const event of events) state.next(frozen, event);
  state.view(frozen, NOW);
  assert.throws(() => state.next(frozen, { kind: "nonsense" }));
});

function freeze(value) {
  if (value && typeof value === "object") Object.values(value).forEach(freeze);
  return Object.freeze(value);
}

test("every word that a picture can name has a text", async () => {
  const file = new URL("../../kannuki/texts/ja.json", import.meta.url);
  const texts = JSON.parse(await readFile(file, "utf-8"));
  const source = await readFile(new URL("../../cloud/pages/key/state.js", import.meta.url), "utf-8");
  const named = [...source.matchAll(/"((?:key\.)[a-z_0-9]+|[A-Z]{2,}(?:_[A-Z]+)*)"/g)].map((m) => m[1]);
  assert.ok(named.length > 50);
  assert.deepEqual(named.filter((code) => !(code in texts)), []);
});
