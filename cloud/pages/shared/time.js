// Times for people: Asia/Tokyo, in the reader's language. Unix seconds come in, words go out.
//
// Japan has kept UTC+9 without summer time since 1951, so a fixed offset is the zone; nothing here
// asks the clock or the device's own zone. A day is named by its key, "2026-11-22".

import { lang, t } from "./texts.js";

export const DAY_S = 86400;
const OFFSET_S = 9 * 3600;
const WEEKDAYS = {
  ja: ["日", "月", "火", "水", "木", "金", "土"],
  "ja-simple": ["にち", "げつ", "か", "すい", "もく", "きん", "ど"],
  en: ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"],
};
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const KEY = /^(\d{4})-(\d{2})-(\d{2})$/;
const CLOCK = /^([01]\d|2[0-4]):([0-5]\d)$/;

const DAY_FORMS = {
  ja: (p) => `${p.month}月${p.day}日（${p.weekday}）`,
  "ja-simple": (p) => `${p.month}がつ ${p.day}にち（${p.weekday}）`,
  en: (p) => `${p.weekday} ${p.day} ${MONTHS[p.month - 1]}`,
};
const YEAR_FORMS = { ja: (y, rest) => `${y}年${rest}`, "ja-simple": (y, rest) => `${y}ねん ${rest}`, en: (y, rest) => `${rest} ${y}` };
const MONTH_FORMS = { ja: (p) => `${p.year}年${p.month}月`, "ja-simple": (p) => `${p.year}ねん ${p.month}がつ`, en: (p) => `${MONTHS[p.month - 1]} ${p.year}` };

/** Year, month, day, weekday (0 = Sunday), hour, minute, second of a moment in Japan. */
export function parts(unixS) {
  const at = new Date((unixS + OFFSET_S) * 1000);
  return {
    year: at.getUTCFullYear(), month: at.getUTCMonth() + 1, day: at.getUTCDate(), weekday: at.getUTCDay(),
    hour: at.getUTCHours(), minute: at.getUTCMinutes(), second: at.getUTCSeconds(),
  };
}

/** "2026-11-22". */
export function dayKey(unixS) {
  return new Date((unixS + OFFSET_S) * 1000).toISOString().slice(0, 10);
}

/** Midnight in Japan of a day's key, or null when it names no day. */
export function dayStart(key) {
  const found = KEY.exec(String(key));
  if (!found) return null;
  const unixS = Date.UTC(Number(found[1]), Number(found[2]) - 1, Number(found[3])) / 1000 - OFFSET_S;
  return dayKey(unixS) === key ? unixS : null;
}

/** The key of the day `days` later. */
export function addDays(key, days) {
  return dayKey(dayStart(key) + days * DAY_S);
}

/** The seven keys of the week (Monday first) that holds this day. */
export function weekOf(key) {
  const monday = addDays(key, -((parts(dayStart(key)).weekday + 6) % 7));
  return Array.from({ length: 7 }, (_, index) => addDays(monday, index));
}

/** Unix seconds of "HH:MM" on a day; "24:00" is its end; null when that is no time. */
export function moment(key, hhmm) {
  const start = dayStart(key), found = CLOCK.exec(String(hhmm));
  if (start === null || !found) return null;
  const minutes = Number(found[1]) * 60 + Number(found[2]);
  return minutes <= 1440 ? start + minutes * 60 : null;
}

/** 11月24日（火） / Tue 24 Nov; with `{year: true}` the year too. */
export function day(unixS, { year = false } = {}) {
  const p = parts(unixS);
  const text = DAY_FORMS[lang()]({ ...p, weekday: weekday(unixS) });
  return year ? YEAR_FORMS[lang()](p.year, text) : text;
}

export function weekday(unixS) {
  return WEEKDAYS[lang()][parts(unixS).weekday];
}

/** 2026年11月 / Nov 2026. */
export function month(unixS) {
  return MONTH_FORMS[lang()](parts(unixS));
}

/** 09:00. */
export function clock(unixS) {
  const p = parts(unixS);
  return `${two(p.hour)}:${two(p.minute)}`;
}

/** 09:00–11:00; with another day at the end where it is one; midnight at the end is 24:00. */
export function hours(fromS, toS) {
  const sameDay = dayKey(fromS) === dayKey(toS);
  if (sameDay) return `${clock(fromS)}–${clock(toS)}`;
  if (toS === dayStart(addDays(dayKey(fromS), 1))) return `${clock(fromS)}–24:00`;
  return `${clock(fromS)}–${day(toS)} ${clock(toS)}`;
}

/** 11月24日（火） 09:00–11:00. */
export function span(fromS, toS, options) {
  return `${day(fromS, options)} ${hours(fromS, toS)}`;
}

/** A day and a time of day: 11月24日（火） 09:00. */
export function dayAndClock(unixS, options) {
  return `${day(unixS, options)} ${clock(unixS)}`;
}

/** 4:05 of 245 seconds, for a countdown; never below 0:00. */
export function countdown(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${two(whole % 60)}`;
}

/** "3時間", "1時間30分", "45分": how long something lasts. */
export function lasting(seconds) {
  const minutes = Math.max(0, Math.round(seconds / 60));
  const h = Math.floor(minutes / 60), m = minutes % 60;
  if (!h) return t("ui.minutes", { n: m });
  return m ? t("ui.hours_minutes", { h, m }) : t("ui.hours", { n: h });
}

/** "3分前", "2時間前", "5日前"; what lies ahead of now counts as just now. */
export function ago(unixS, nowS) {
  const past = Math.max(0, nowS - unixS);
  if (past < 60) return t("ui.just_now");
  if (past < 3600) return t("ui.minutes_ago", { n: Math.floor(past / 60) });
  if (past < DAY_S) return t("ui.hours_ago", { n: Math.floor(past / 3600) });
  return t("ui.days_ago", { n: Math.floor(past / DAY_S) });
}

/** For <time datetime>: 2026-11-24T09:00+09:00. */
export function iso(unixS) {
  return `${dayKey(unixS)}T${clock(unixS)}+09:00`;
}

function two(number) {
  return String(number).padStart(2, "0");
}
