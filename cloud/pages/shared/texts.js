// The words of a page in three languages.
//
// Decides which language a person reads and fills the places of a text. Words live in
// kannuki/texts, served at /texts/{lang}.json; none are written here. An unknown code is shown as
// itself, never as nothing: a missing text must not hide a button.

export const LANGUAGES = Object.freeze(["ja", "ja-simple", "en"]);
const STORED = "kannuki-language";
const PLACE = /\{(\w+)\}/g;

let language = "ja";
let table = {};
const listeners = new Set();

export function lang() {
  return language;
}

/** What <html lang> says: easy Japanese is Japanese to a screen reader. */
export function htmlLang(of = language) {
  return of === "en" ? "en" : "ja";
}

/** The first that is a language of ours; browsers say "ja-JP", people choose "ja-simple". */
export function pick(asked, stored, wished = []) {
  for (const each of [asked, stored]) if (LANGUAGES.includes(each)) return each;
  for (const each of wished) {
    const short = String(each).toLowerCase().split("-")[0];
    if (short === "ja" || short === "en") return short;
  }
  return wished.length ? "en" : "ja";
}

/** Fetches the table of `wanted` (else ?lang=, the stored choice, the browser's) and uses it. */
export async function loadTexts(wanted) {
  const asked = wanted ?? new URLSearchParams(location.search).get("lang");
  const chosen = pick(asked, remembered(), navigator.languages);
  const answer = await fetch(`/texts/${chosen}.json`);
  if (!answer.ok) throw new Error(`texts: ${answer.status}`);
  useTexts(await answer.json(), chosen);
  if (asked === chosen) remember(chosen);
  document.documentElement.lang = htmlLang();
  document.documentElement.dataset.lang = chosen;
  return chosen;
}

/** Uses this table from now on; pages call loadTexts, tests call this. */
export function useTexts(words, chosen) {
  if (!LANGUAGES.includes(chosen)) throw new RangeError(`no texts in ${chosen}`);
  table = words;
  language = chosen;
}

/** Changes the language for now and the next visits, then tells whoever listens. */
export async function setLang(chosen) {
  await loadTexts(chosen);
  for (const listener of listeners) listener(chosen);
}

/** Calls `listener(lang)` after each change; returns what ends that. */
export function onLang(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function has(code) {
  return Object.hasOwn(table, code);
}

/** The text of a code with its {places} filled; a place without a value stays as it is. */
export function t(code, params = {}) {
  const text = has(code) ? table[code] : code;
  return text.replace(PLACE, (place, name) => (params[name] ?? place));
}

/** The words of a {"ja", "ja-simple", "en"} of somebody else, in the reader's language or the nearest. */
export function theirs(texts) {
  const nearest = { ja: ["ja", "ja-simple", "en"], "ja-simple": ["ja-simple", "ja", "en"], en: ["en", "ja"] };
  for (const each of nearest[language]) {
    if (typeof texts?.[each] === "string" && texts[each]) return texts[each];
  }
  return null;
}

function remembered() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null; // storage is switched off: nothing to remember
  }
}

function remember(chosen) {
  try {
    localStorage.setItem(STORED, chosen);
  } catch {
    return; // storage is switched off: the choice lasts as long as the page
  }
}
