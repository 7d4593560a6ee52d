// Another time for a booking of mine, in the same room: the same week and day as in the search.

import { h, replace } from "../shared/dom.js";
import { loading, problemBox, yen } from "../shared/parts.js";
import { t } from "../shared/texts.js";
import { day as dayWords, dayKey, dayStart, span } from "../shared/time.js";
import { chooseTime } from "./choose.js";
import { dayOf } from "./day.js";
import { nowS, startPage } from "./frame.js";
import { dayIn, dayView, daysOf, mark, stripDays, weekStrip } from "./search.js";
import * as service from "./service.js";
import { weekLegend, weekStripOf } from "./week.js";
import { to } from "./ways.js";

const query = new URLSearchParams(location.search);
let booking = null, facility = null, key = null, parts = null, shown = 0;
const weeks = new Map();

await startPage({
  current: "my", needsPerson: true,
  async load() {
    booking = await service.booking(query.get("id") ?? "");
    facility = (await service.facilities()).find((each) => each.id === booking.facilityId);
    key = dayIn(query.get("day") ?? dayKey(booking.startsAt), facility, nowS());
  },
  draw(main) {
    parts = { week: h("div", {}), day: h("section", { class: "stack", "aria-labelledby": "day-title" }) };
    document.title = `${t("book.change_title")} | ${t("book.site")}`;
    replace(main, h("div", { class: "stack-l" },
      h("div", { class: "stack" }, h("h1", { class: "page-title" }, t("book.change_title")),
        h("p", {}, t("book.change_now", { room: booking.room.name, time: span(booking.startsAt, booking.endsAt) })),
        h("p", {}, h("a", { href: to("booking", { id: booking.id }) }, t("book.change_back")))),
      parts.week, parts.day));
    show();
  },
});

async function show() {
  const turn = ++shown, name = stripDays(key, facility, nowS())[0];
  if (!weeks.has(name)) {
    replace(parts.day, loading());
    try {
      weeks.set(name, await fetchWeek());
    } catch (error) {
      if (turn === shown) replace(parts.day, problemBox(error));
      return;
    }
  }
  if (turn !== shown) return;
  drawAll(weeks.get(name));
}

async function fetchWeek() {
  const { last } = daysOf(facility, nowS());
  const keys = stripDays(key, facility, nowS()).filter((each) => each <= last);
  const week = await service.free(facility, keys[0], keys.length, booking);
  return Object.fromEntries(Object.entries(week).map(([day, rooms]) => [day, rooms.filter((each) => each.room.id === booking.roomId)]));
}

function drawAll(week) {
  const marks = Object.fromEntries(Object.entries(week).map(([day, rooms]) => [day, mark(rooms, 1)]));
  replace(parts.week, weekStripOf(weekStrip(key, facility, marks, nowS()), (day) => to("change", { id: booking.id, day }), goTo), weekLegend());
  replace(parts.day, h("h2", { id: "day-title", tabindex: "-1" }, dayWords(dayStart(key))), dayOf(dayView(key, week[key] ?? [], 1), pick));
}

function goTo(day) {
  const focused = document.activeElement?.id;
  key = dayIn(day, facility, nowS());
  history.replaceState(null, "", to("change", { id: booking.id, day: key }));
  show().then(() => document.getElementById(focused?.startsWith("day-") ? `day-${key}` : focused ?? "")?.focus());
}

async function pick(room, window) {
  const minutes = (booking.endsAt - booking.startsAt) / 60;
  const done = await chooseTime({
    room, window, rules: room, wished: { minutes, start: booking.startsAt }, yes: t("book.change_yes"), note: t("book.change_note"),
    price: async (asked) => feeLine(await service.quote({ roomId: room.id, ...asked, people: booking.people, category: booking.category, groupId: booking.group?.id ?? null })),
    act: async (asked) => {
      try {
        return await service.change(booking, asked);
      } catch (error) {
        weeks.clear(); // what we showed was not so
        throw error;
      }
    },
  });
  if (done) location.assign(done.redirectUrl ?? to("booking", { id: booking.id, changed: "1" }));
  else if (!weeks.size) show();
}

function feeLine(quote) {
  return [h("span", { class: "choose-yen" }, yen(quote.fee)), quote.fee !== booking.fee && h("p", { class: "small soft" }, t("book.fee_before", { fee: yen(booking.fee) }))];
}
