// Book for somebody at the counter or on the telephone; or (with a booking's number) move a booking.
//
// Free times first, then for whom, then what it costs: one page, filled from top to bottom.

import { call } from "../shared/api.js";
import { h, replace } from "../shared/dom.js";
import { busy, facts, field, note, problemBox, yen } from "../shared/parts.js";
import { t, theirs } from "../shared/texts.js";
import { clock, day, dayKey, dayStart, lasting, span } from "../shared/time.js";

import { freshWish, startsOf, windowOf, wishBody } from "./book_state.js";
import { linkBox, toBooking } from "./booking.js";
import { may } from "./rights.js";
import { now } from "./when.js";

export async function show(main, desk, route) {
  const moving = route.id ? await call("GET", `/v1/staff/bookings/${encodeURIComponent(route.id)}`) : null;
  const kept = desk.kept(route, () => freshWish(now(), moving));
  const [houses, groups] = await Promise.all([
    call("GET", "/v1/facilities"), moving === null ? call("GET", "/v1/staff/groups").catch(noGroups) : [],
  ]);
  const mine = houses.filter((each) => may(desk.me, "booking.change", each.facility_id));
  const heading = h("h1", {}, t(moving ? "desk.book.move" : "desk.nav.book"));
  const free = h("div", { class: "stack" }), rest = h("div", { class: "stack" });
  const context = { desk, kept, mine, groups, moving, free, rest };
  replace(main, h("div", { class: "head" }, heading), moving && note("info", h("span", {}, `${moving.holder_name} · ${moving.room} · ${span(moving.starts_at, moving.ends_at)}`)),
    h("h2", {}, t("desk.book.when")), searchForm(context), free, rest);
  desk.shell.arrive(heading);
  if (kept.found) drawFree(context);
  if (kept.window) drawRest(context);
}

function noGroups(error) {
  if (error.status === 403) return [];
  throw error;
}

function searchForm(context) {
  const { kept, mine } = context;
  const go = h("button", { class: "button", type: "submit" }, t("desk.book.free"));
  const set = (name) => (event) => { kept[name] = event.target.value; };
  return h("form", { class: "tools", onsubmit: (event) => { event.preventDefault(); busy(go, () => search(context)); } },
    field({ id: "book-day", label: t("desk.date") }, h("input", { class: "input", type: "date", value: kept.day, min: dayKey(now()), onchange: set("day"), required: true })),
    field({ id: "book-house", label: t("desk.facility") }, h("select", { value: kept.house, onchange: set("house") },
      h("option", { value: "" }, t("desk.every_facility")), mine.map((each) => h("option", { value: each.facility_id }, theirs(each.name))))),
    field({ id: "book-minutes", label: t("desk.book.minutes") }, h("select", { value: kept.minutes, onchange: set("minutes") },
      [30, 60, 90, 120, 180, 240, 300, 360, 480].map((each) => h("option", { value: String(each) }, lasting(each * 60))))),
    field({ id: "book-people", label: t("desk.booking.people") }, h("input", { class: "input input-short", type: "number", min: "1", max: "9999", inputmode: "numeric", value: kept.people, onchange: set("people") })),
    go);
}

async function search(context) {
  const { kept, free, rest, mine, moving } = context;
  kept.window = null;
  replace(rest);
  try {
    const query = new URLSearchParams({ day: kept.day, minutes: kept.minutes });
    if (kept.house) query.set("facility", kept.house);
    if (kept.people) query.set("people", kept.people);
    const allowed = new Set(mine.map((each) => each.facility_id));
    kept.found = (await call("GET", `/v1/free?${query}`)).filter((each) => allowed.has(each.facility_id));
    kept.moving = moving?.booking_id ?? null;
  } catch (error) {
    kept.found = null;
    replace(free, problemBox(error));
    return;
  }
  drawFree(context);
}

function drawFree(context) {
  const { kept, free } = context;
  const rooms = kept.found.map((room) => ({ room, starts: startsOf(room, Number(kept.minutes)) })).filter(({ starts }) => starts.length);
  replace(free, h("p", { role: "status" }, t("desk.book.found", { n: rooms.length, day: day(dayStart(kept.day)) })),
    rooms.length ? h("div", { class: "rooms" }, rooms.map(({ room, starts }) => h("section", { class: "card stack-s", "aria-labelledby": `free-${room.room_id}` },
      h("h3", { id: `free-${room.room_id}` }, theirs(room.name), room.capacity ? h("span", { class: "small soft" }, ` ${t("ui.people", { n: room.capacity })}`) : null),
      h("div", { class: "row" }, starts.map((at) => startButton(context, room, at))))))
      : h("p", { class: "empty" }, t("desk.book.nothing_free")));
}

function startButton(context, room, at) {
  const { kept } = context;
  const window = windowOf(room, at, Number(kept.minutes));
  const chosen = kept.window?.room_id === room.room_id && kept.window.starts_at === at;
  return h("button", {
    class: chosen ? "button" : "button button-second", type: "button", id: `start-${room.room_id}-${at}`, "aria-pressed": String(chosen),
    "aria-label": `${theirs(room.name)} ${clock(at)}`,
    onclick: async () => {
      kept.window = window;
      drawFree(context);
      await drawRest(context);
      context.rest.querySelector("h2")?.scrollIntoView({ block: "start" });
      context.rest.querySelector("input, select, button")?.focus({ preventScroll: true });
    },
  }, clock(at));
}

async function drawRest(context) {
  if (context.moving) return drawMove(context);
  const { kept, groups, rest } = context;
  const price = h("div", {}), told = h("div", {});
  const text = (name, type, more = {}) => h("input", { class: "input", type, value: kept[name], autocomplete: "off", oninput: (event) => { kept[name] = event.target.value; }, ...more });
  const group = h("select", { value: kept.group, onchange: (event) => {
    kept.group = event.target.value;
    const found = groups.find((each) => each.group_id === kept.group);
    if (found && !kept.name) kept.name = name.value = found.name;
    quote(context, price);
  } }, h("option", { value: "" }, t("desk.book.no_group")), groups.filter((each) => each.active).map((each) => h("option", { value: each.group_id }, each.name)));
  const name = text("name", "text", { maxlength: "100" });
  const category = h("select", { value: kept.category, onchange: (event) => { kept.category = event.target.value; quote(context, price); } },
    ["resident", "outside", "commercial"].map((each) => h("option", { value: each }, t(`desk.category.${each}`))));
  const channel = h("select", { value: kept.channel, onchange: (event) => { kept.channel = event.target.value; } },
    ["counter", "phone", "family"].map((each) => h("option", { value: each }, t(`desk.channel.${each}`))));
  const go = h("button", { class: "button button-big", type: "submit" }, t("desk.book.book"));
  replace(rest, h("h2", {}, t("desk.book.who")),
    h("p", {}, h("strong", {}, windowWords(kept))),
    h("form", { class: "stack wordy", onsubmit: (event) => { event.preventDefault(); busy(go, () => book(context, told)); } },
      h("div", { class: "tools" }, field({ id: "book-channel", label: t("desk.booking.channel") }, channel), field({ id: "book-category", label: t("desk.book.category") }, category)),
      groups.length > 0 && field({ id: "book-group", label: t("desk.booking.group") }, group),
      field({ id: "book-name", label: t("desk.book.name"), must: true }, name),
      field({ id: "book-contact", label: t("desk.booking.contact"), hint: t("desk.book.contact_hint") }, text("contact", "text", { maxlength: "200" })),
      field({ id: "book-purpose", label: t("desk.booking.purpose") }, text("purpose", "text", { maxlength: "300" })),
      price, told, go));
  await quote(context, price);
}

async function quote({ kept }, price) {
  let told;
  try {
    told = await call("POST", "/v1/staff/quote", wishBody(kept, { quote: true }));
  } catch (error) {
    replace(price, problemBox(error));
    return;
  }
  if (!told.methods.includes(kept.method)) kept.method = told.methods[0] ?? "";
  const methods = h("select", { value: kept.method, onchange: (event) => { kept.method = event.target.value; } },
    told.methods.map((each) => h("option", { value: each }, t(`desk.method.${each}`))));
  replace(price, h("div", { class: "stack-s" },
    facts([[t("desk.book.price"), told.reduction_percent ? t("desk.book.reduced", { yen: yen(told.yen), full: yen(told.full_yen), percent: told.reduction_percent }) : yen(told.yen)]]),
    told.yen > 0 && told.methods.length > 0 && field({ id: "book-method", label: t("desk.book.method") }, methods)));
}

function windowWords({ window }) {
  return `${theirs(window.name)} · ${span(window.starts_at, window.ends_at)}`;
}

async function book({ desk, kept, rest, free }, told) {
  let booking, link = null;
  try {
    booking = await call("POST", "/v1/staff/bookings", wishBody(kept));
    if (booking.keyed && !booking.holder_contact.includes("@")) {
      link = (await call("POST", `/v1/staff/bookings/${booking.booking_id}/key-link`, {})).key_link;
    }
  } catch (error) {
    replace(told, problemBox(error));
    return;
  }
  desk.forget({ name: "book", id: null });
  const heading = h("h2", { tabindex: "-1" }, t("desk.book.done"));
  replace(free);
  replace(rest, heading, note("good", `${booking.holder_name} · ${booking.room} · ${span(booking.starts_at, booking.ends_at)}`,
    h("p", {}, t(booking.keyed ? "desk.book.keyed" : "desk.book.unkeyed"))),
  link && linkBox(link, t("desk.book.link"), t("desk.reissue.once")),
  h("p", { class: "row" }, toBooking(booking, t("desk.book.go"))));
  heading.focus();
}

async function drawMove({ desk, kept, moving, rest }) {
  const told = h("div", {});
  const said = h("input", { class: "input", maxlength: "300", autocomplete: "off" });
  const go = h("button", { class: "button button-big", type: "submit" }, t("desk.book.move_now"));
  const move = async () => {
    try {
      await call("POST", `/v1/staff/bookings/${moving.booking_id}/change`, {
        starts_at: kept.window.starts_at, ends_at: kept.window.ends_at, room_id: kept.window.room_id, version: moving.version, note: said.value.trim(),
      });
    } catch (error) {
      replace(told, problemBox(error));
      return;
    }
    desk.forget({ name: "book", id: moving.booking_id });
    desk.go("bookings", moving.booking_id);
  };
  replace(rest, h("h2", {}, t("desk.book.move_to")), h("p", {}, h("strong", {}, windowWords(kept))),
    h("form", { class: "stack wordy", onsubmit: (event) => { event.preventDefault(); busy(go, move); } },
      field({ id: "move-note", label: t("desk.cancel.note") }, said), told, go));
}
