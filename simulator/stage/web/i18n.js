// Words and times in three languages. The town's time zone is Japan's.

export const LANGUAGES = ["ja", "ja-simple", "en"];
const ZONE = "Asia/Tokyo";
const ZONE_OFFSET = "+09:00";
const LOCALES = { ja: "ja-JP", "ja-simple": "ja-JP", en: "en-GB" };
const STORED = "kannuki-stage-language";

const tables = {};
let language = "ja";

export function lang() {
  return language;
}

/** Loads all texts and settles the language: ?lang=, what was chosen last, Japanese. */
export async function loadTexts() {
  await Promise.all(LANGUAGES.map(async (each) => {
    tables[each] = await (await fetch(`/web/texts/${each}.json`)).json();
  }));
  const asked = new URLSearchParams(location.search).get("lang");
  choose([asked, remembered()].find((each) => LANGUAGES.includes(each)) ?? "ja");
}

function remembered() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null; // storage is switched off: nothing to remember
  }
}

export function choose(wanted) {
  language = wanted;
  document.documentElement.lang = wanted === "en" ? "en" : "ja";
  document.documentElement.dataset.lang = wanted;
  try {
    localStorage.setItem(STORED, wanted);
  } catch {
    return; // storage is switched off: the choice lasts as long as the page
  }
}

/** The text of a key with its {places} filled; the key itself when there is none. */
export function t(key, values = {}) {
  const text = tables[language]?.[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
}

/** The words of a {"ja", "ja-simple", "en"} that came from elsewhere, or null. */
export function theirs(texts) {
  const text = texts?.[language] ?? texts?.ja ?? texts?.en;
  return typeof text === "string" && text ? text : null;
}

function formatted(unixS, parts) {
  return new Intl.DateTimeFormat(LOCALES[language], { timeZone: ZONE, hourCycle: "h23", ...parts })
    .format(new Date(unixS * 1000));
}

export function timeOf(unixS) {
  return formatted(unixS, { hour: "2-digit", minute: "2-digit" });
}

export function secondsOf(unixS) {
  return formatted(unixS, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

export function dayOf(unixS) {
  return formatted(unixS, { month: "short", day: "numeric", weekday: "short" });
}

/** 15:00, or with the day in front when that is not today. */
export function shortTime(unixS, nowS) {
  const isToday = dateInput(unixS) === dateInput(nowS);
  return isToday ? timeOf(unixS) : `${dayOf(unixS)} ${timeOf(unixS)}`;
}

export function range(fromS, toS, nowS) {
  return t("time.range", { from: shortTime(fromS, nowS), to: shortTime(toS, fromS) });
}

export function ago(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 100) return t("time.ago_s", { n: whole });
  if (whole < 6000) return t("time.ago_m", { n: Math.round(whole / 60) });
  return t("time.ago_h", { n: Math.round(whole / 3600) });
}

/** For <input type="date"> and <input type="time">. */
export function dateInput(unixS) {
  return new Intl.DateTimeFormat("sv-SE", { timeZone: ZONE }).format(new Date(unixS * 1000));
}

export function timeInput(unixS) {
  return new Intl.DateTimeFormat("sv-SE", { timeZone: ZONE, hour: "2-digit", minute: "2-digit" })
    .format(new Date(unixS * 1000));
}

/** Unix seconds of what those two inputs hold; null when they hold no time. */
export function fromInputs(date, time) {
  const ms = Date.parse(`${date}T${time}:00${ZONE_OFFSET}`);
  return Number.isNaN(ms) ? null : ms / 1000;
}
