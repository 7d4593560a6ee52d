// The first page: which room, which day, from when to when. Anybody may look around.

import { h, replace } from "../shared/dom.js";
import { field, loading, people as peopleWords, problemBox, yen } from "../shared/parts.js";
import { t } from "../shared/texts.js";
import { addDays, day as dayWords, dayStart } from "../shared/time.js";
import { chooseTime } from "./choose.js";
import { dayOf } from "./day.js";
import { isSignedOut, me, nowS, startPage } from "./frame.js";
import { dayIn, dayView, daysOf, mark, readChoice, stripDays, weekStrip, writeChoice } from "./search.js";
import * as service from "./service.js";
import { weekLegend, weekStripOf } from "./week.js";
import { signInFirst, to } from "./ways.js";

let facilities = [], choice = null;
const weeks = new Map(); // "facility|first day" -> {dayKey: [{room, windows, open, closed}]}
let parts = null, shown = 0;

const facility = () => facilities.find((each) => each.id === choice.facilityId);
const strip = () => stripDays(choice.day, facility(), nowS());
const weekName = () => `${choice.facilityId}|${strip()[0]}`;

await startPage({
  current: "search",
  async load() {
    facilities = await service.facilities();
    choice = readChoice(new URLSearchParams(location.search), facilities, nowS());
  },
  draw(main, shell) {
    if (!facilities.length) {
      replace(main, h("div", { class: "stack" }, h("h1", { class: "page-title" }, t("book.title")), h("p", { class: "empty" }, t("book.no_facilities"))));
      return;
    }
    parts = { week: h("div", {}), day: h("section", { class: "stack", "aria-labelledby": "day-title" }), shell };
    document.title = `${t("book.title")} | ${t("book.site")}`;
    replace(main, hero(), h("div", { class: "stack-l results" }, parts.week, parts.day, howItWorks()));
    show();
  },
});

function hero() {
  return h("section", { class: "hero" },
    h("div", { class: "hero-words" },
      h("h1", {}, t("book.title")),
      h("p", { class: "hero-lead" }, t("book.lead"))),
    h("form", { class: "hero-form card", role: "search", "aria-label": t("book.search"), onsubmit: (event) => { event.preventDefault(); changed(event.currentTarget); document.getElementById("day-title")?.scrollIntoView(); } },
      field({ id: "facility", label: t("book.facility") },
        h("select", { name: "facility", onchange: (event) => changed(event.target.form) },
          facilities.map((each) => h("option", { value: each.id, selected: each.id === choice.facilityId }, each.name)))),
      field({ id: "date", label: t("book.date") },
        h("input", { class: "input", type: "date", name: "date", value: choice.day, min: daysOf(facility(), nowS()).first, max: daysOf(facility(), nowS()).last, onchange: (event) => changed(event.target.form) })),
      field({ id: "people", label: t("book.people") },
        h("input", { class: "input input-short", type: "number", name: "people", min: "1", max: "9999", inputmode: "numeric", value: String(choice.people), onchange: (event) => changed(event.target.form) })),
      h("button", { class: "button", type: "submit" }, t("book.search_button"))));
}

function changed(form) {
  const asked = new URLSearchParams({ facility: form.facility.value, day: form.date.value, people: form.people.value });
  const before = choice.day;
  choice = readChoice(asked, facilities, nowS());
  if (!form.date.value) choice.day = before;
  form.date.value = choice.day;
  form.people.value = String(choice.people);
  remember();
  show();
}

function goTo(key) {
  const focused = document.activeElement?.id;
  choice.day = dayIn(key, facility(), nowS());
  document.getElementById("date").value = choice.day;
  remember();
  show().then(() => document.getElementById(focused?.startsWith("day-") ? `day-${choice.day}` : focused ?? "")?.focus());
}

function remember() {
  history.replaceState(null, "", `?${writeChoice(choice)}`);
}

/** Draws what is known of the week, and fetches what is not; the newest choice wins. */
async function show() {
  const turn = ++shown;
  const known = weeks.get(weekName());
  drawWeek(known ?? {});
  if (known) return drawDay(known);
  replace(parts.day, loading());
  try {
    const week = await fetchWeek();
    if (turn !== shown) return undefined;
    drawWeek(week);
    return drawDay(week);
  } catch (error) {
    if (turn !== shown) return undefined;
    replace(parts.day, problemBox(error, h("p", {}, h("button", { class: "button button-second", type: "button", onclick: show }, t("ui.retry")))));
    return undefined;
  }
}

async function fetchWeek() {
  const name = weekName(), at = facility();
  const keys = strip().filter((key) => key <= daysOf(at, nowS()).last);
  const week = await service.free(at, keys[0], keys.length);
  weeks.set(name, week);
  return week;
}

function drawWeek(week) {
  const marks = Object.fromEntries(Object.entries(week).map(([key, rooms]) => [key, mark(rooms, choice.people)]));
  const drawn = weekStrip(choice.day, facility(), marks, nowS());
  replace(parts.week, weekStripOf(drawn, (key) => `?${writeChoice({ ...choice, day: key })}`, goTo), weekLegend());
}

function drawDay(week) {
  const view = dayView(choice.day, week[choice.day] ?? [], choice.people);
  const free = view.free ? t("book.rooms_free", { n: view.free }) : t("book.rooms_none");
  replace(parts.day,
    h("div", { class: "day-head" },
      h("h2", { id: "day-title", tabindex: "-1" }, dayWords(dayStart(choice.day))),
      h("p", { class: "soft", role: "status" }, `${facility().name} · ${peopleWords(choice.people)} · ${free}`)),
    view.free ? null : elsewhere(week),
    dayOf(view, pick));
}

/** On a full day, the next one of the week that is not. */
function elsewhere(week) {
  const next = Object.keys(week).sort().find((key) => key > choice.day && mark(week[key], choice.people) !== "none");
  const { last } = daysOf(facility(), nowS());
  const later = addDays(strip()[6], 1);
  const key = next ?? (later <= last ? later : null);
  if (!key) return null;
  return h("p", {}, h("a", { class: "button button-second", href: `?${writeChoice({ ...choice, day: key })}`, onclick: (event) => { event.preventDefault(); goTo(key); document.getElementById("day-title")?.focus(); } },
    next ? t("book.next_free_day", { day: dayWords(dayStart(key)) }) : t("book.week_after")));
}

async function pick(room, window) {
  const isOpenToAll = room.assurance === "none" && !me();
  const chosen = await chooseTime({
    room, window, rules: room, yes: t("book.hold_yes"),
    note: isOpenToAll ? null : t(me() ? "book.hold_note" : "book.hold_sign_in"),
    price: async (span) => (me() || isOpenToAll ? priceLine(await service.quote({ roomId: room.id, people: choice.people, ...span })) : null),
    act: (span) => (isOpenToAll ? { room: room.id, from: span.startsAt, to: span.endsAt } : holdOrSignIn({ roomId: room.id, people: choice.people, ...span })),
  });
  if (chosen) location.assign(to("reserve", { ...chosen, people: String(choice.people) }));
  else if (!weeks.has(weekName())) show();
}

async function holdOrSignIn(wish) {
  try {
    return { hold: (await service.hold(wish)).id };
  } catch (error) {
    if (isSignedOut(error) || error.code === "ASSURANCE_TOO_LOW") {
      const back = `/?${writeChoice(choice)}`;
      location.assign(isSignedOut(error) ? signInFirst(back, "hold") : `${signInFirst(back, "level")}&again=1`);
      return undefined;
    }
    weeks.delete(weekName()); // what we showed was not so
    throw error;
  }
}

function priceLine(quote) {
  return [
    h("span", { class: "choose-yen" }, yen(quote.fee)),
    quote.reasons.length ? h("p", { class: "small soft" }, t("book.clerk_will_look")) : h("p", { class: "small soft" }, t("book.decided_at_once")),
  ];
}

function howItWorks() {
  return h("section", { class: "how", "aria-labelledby": "how-title" },
    h("h2", { id: "how-title" }, t("book.how_title")),
    h("ol", { class: "steps how-steps" }, [1, 2, 3].map((n) => h("li", {},
      h("h3", {}, t(`book.how_${n}_title`)), h("p", { class: "soft" }, t(`book.how_${n}_text`))))),
    h("p", {}, h("a", { href: to("help") }, t("book.how_more"))));
}
