// What all pages share, without a browser: languages, times in Japan, answers of the service.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiProblem, settled } from "../../cloud/pages/shared/api.js";
import { address, flat } from "../../cloud/pages/shared/dom.js";
import { people, yen } from "../../cloud/pages/shared/parts.js";
import { LANGUAGES, has, htmlLang, lang, pick, t, theirs, useTexts } from "../../cloud/pages/shared/texts.js";
import * as time from "../../cloud/pages/shared/time.js";
import { speak } from "./words.mjs";

const MORNING = Date.UTC(2026, 10, 24, 0, 0) / 1000; // 2026-11-24 09:00 in Japan, a Tuesday

test("the asked language wins, then the chosen one, then the browser's, and nonsense never", () => {
  assert.equal(pick("en", "ja", ["ja-JP"]), "en");
  assert.equal(pick(null, "ja-simple", ["en-GB"]), "ja-simple");
  assert.equal(pick("../../etc/passwd", "fr", ["ja-JP", "en"]), "ja");
  assert.equal(pick(null, null, ["fr-FR", "en-US"]), "en");
  assert.equal(pick(null, null, ["fr-FR"]), "en");
  assert.equal(pick(null, null, []), "ja");
});

test("a text is filled, an unknown code or place is shown rather than lost", () => {
  useTexts({ greet: "Room {room}, {n} of {m}", "toString": "mine" }, "en");
  assert.equal(t("greet", { room: "{n}<b>", n: 0 }), "Room {n}<b>, 0 of {m}");
  assert.equal(t("no.such.code"), "no.such.code");
  assert.equal(t("constructor"), "constructor");
  assert.equal(has("constructor"), false);
});

test("somebody else's words come in the nearest language, and only when they are words", () => {
  useTexts({}, "ja-simple");
  assert.equal(theirs({ ja: "漢字", en: "English" }), "漢字");
  useTexts({}, "en");
  assert.equal(theirs({ ja: "漢字", "ja-simple": "かな" }), "漢字");
  assert.equal(theirs({ en: "" }), null);
  assert.equal(theirs({ en: { html: "<b>" } }), null);
  assert.equal(theirs(null), null);
});

test("a language that does not exist cannot be used", () => {
  assert.throws(() => useTexts({}, "fr"), RangeError);
});

test("every language says its time in words of its own", () => {
  const said = LANGUAGES.map((each) => (speak(each), time.span(MORNING, MORNING + 7200)));
  assert.deepEqual(said, [
    "11月24日（火） 09:00–11:00", "11がつ 24にち（か） 09:00–11:00", "Tue 24 Nov 09:00–11:00",
  ]);
  assert.deepEqual(LANGUAGES.map((each) => (speak(each), time.day(MORNING, { year: true }))), [
    "2026年11月24日（火）", "2026ねん 11がつ 24にち（か）", "Tue 24 Nov 2026",
  ]);
  assert.equal((speak("ja"), time.month(MORNING)), "2026年11月");
  assert.equal(htmlLang("ja-simple"), "ja");
});

test("a day begins at midnight in Japan, whatever the zone of the device", () => {
  assert.equal(time.dayKey(MORNING), "2026-11-24");
  assert.equal(time.dayKey(time.dayStart("2026-11-24") - 1), "2026-11-23");
  assert.equal(time.dayStart("2026-11-24"), Date.UTC(2026, 10, 23, 15) / 1000);
  assert.equal(time.addDays("2026-12-31", 1), "2027-01-01");
  assert.equal(time.addDays("2028-03-01", -1), "2028-02-29");
  for (const zone of ["America/Los_Angeles", "Pacific/Kiritimati"]) {
    process.env.TZ = zone;
    assert.equal(time.clock(MORNING), "09:00");
    assert.equal(time.dayKey(MORNING), "2026-11-24");
  }
});

test("what names no day or time is null, not another day", () => {
  for (const key of ["2026-02-30", "2026-13-01", "26-1-1", "", null, "2026-11-24T00:00"]) {
    assert.equal(time.dayStart(key), null, String(key));
  }
  assert.equal(time.moment("2026-11-24", "09:00"), MORNING);
  assert.equal(time.moment("2026-11-24", "24:00"), time.dayStart("2026-11-25"));
  for (const hhmm of ["24:01", "9:00", "09:60", "noon", ""]) assert.equal(time.moment("2026-11-24", hhmm), null);
});

test("a week goes from Monday to Sunday, also on a Sunday and over the new year", () => {
  assert.deepEqual([time.weekOf("2026-11-22")[0], time.weekOf("2026-11-22")[6]], ["2026-11-16", "2026-11-22"]);
  assert.deepEqual([time.weekOf("2026-11-23")[0], time.weekOf("2027-01-01")[0]], ["2026-11-23", "2026-12-28"]);
});

test("midnight ends a day; the small hours of the next one name it", () => {
  speak("en");
  const evening = MORNING + 12 * 3600;
  assert.equal(time.hours(evening, evening + 3 * 3600), "21:00–24:00");
  assert.equal(time.hours(evening, evening + 4 * 3600), "21:00–Wed 25 Nov 01:00");
  assert.equal(time.iso(MORNING), "2026-11-24T09:00+09:00");
});

test("a countdown never shows less than nothing, and never promises a second too much", () => {
  assert.equal(time.countdown(245), "4:05");
  assert.equal(time.countdown(59.2), "1:00");
  assert.equal(time.countdown(-3), "0:00");
});

test("lengths, ages, money and people are said as a person would", () => {
  speak("ja");
  assert.deepEqual([7200, 5400, 2700].map(time.lasting), ["2時間", "1時間30分", "45分"]);
  assert.deepEqual([30, 200, 7300, 200000].map((s) => time.ago(MORNING - s, MORNING)),
    ["たった今", "3分前", "2時間前", "2日前"]);
  assert.equal(time.ago(MORNING + 99, MORNING), "たった今");
  assert.deepEqual([0, 800, 1200, 1234567].map(yen), ["無料", "800円", "1,200円", "1,234,567円"]);
  speak("en");
  assert.deepEqual([1, 2].map(people), ["1 person", "2 people"]);
});

test("an answer is parsed, an empty one is null, and a page of HTML is a problem", () => {
  assert.deepEqual(settled(200, '{"a":1}'), { a: 1 });
  assert.equal(settled(204, ""), null);
  assert.throws(() => settled(200, "<html>"), (error) => error instanceof ApiProblem && error.code === "NOT_JSON");
});

test("a refusal keeps its code, its words and when to come back", () => {
  speak("ja-simple");
  const body = { code: "OVERLAP", ja: "予約済み。", "ja-simple": "よやくが あります。", en: "Taken." };
  assert.throws(() => settled(429, JSON.stringify(body), "30"), (error) => {
    assert.deepEqual([error.status, error.code, error.retryAfterS], [429, "OVERLAP", 30]);
    assert.equal(error.words(), "よやくが あります。");
    return true;
  });
  for (const text of ["<h1>502</h1>", "", "[]", "null", '{"code":5}']) {
    assert.throws(() => settled(502, text), (error) => error.code === "HTTP_502" && error.words() === t("ui.failed"));
  }
});

test("an address that would run code is refused", () => {
  for (const bad of ["javascript:alert(1)", " javascript:alert(1)", "JaVaScRiPt:x", "data:text/html,x", "vbscript:x"]) {
    assert.throws(() => address(bad), RangeError, bad);
  }
  for (const good of ["/my", "?day=2026-11-24", "#main", "https://key.localhost/", "tel:0123", "my.html", "book/x"]) {
    assert.equal(address(good), good);
  }
});

test("what means nothing draws nothing, and zero is something", () => {
  assert.deepEqual(flat([null, undefined, false, true, "", 0, ["a", ["b"]]]), ["", "0", "a", "b"]);
});

test("the current language can be asked", () => {
  speak("ja-simple");
  assert.equal(lang(), "ja-simple");
});
