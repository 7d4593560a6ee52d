// Today: what needs somebody first, then every house with its rooms, doors and uses.

import { ApiProblem, Offline, call, settled } from "../shared/api.js";
import { h, replace, setText } from "../shared/dom.js";
import { badge, busy, field, loading, note, problemBox } from "../shared/parts.js";
import { t } from "../shared/texts.js";
import { addDays, ago, clock, day, dayKey, dayStart, hours, iso } from "../shared/time.js";

import { poll } from "./poll.js";
import { maySomewhere } from "./rights.js";
import { routeTo } from "./routes.js";
import { attentionLine, bookingBadges, counts, doorWords, narrowed, nextFirst, phase, stripPart, stripSpan } from "./today_state.js";
import { timeOf } from "./times.js";
import { noteTime, now } from "./when.js";

const EVERY_MS = 10_000;
const LATE_S = 45;
const IDLE_MS = 30 * 60_000; // a desk that nobody uses stops asking, so that its session can end
const USING = ["pointerdown", "keydown", "pointermove"];
const GONE = new Set(["cancelled", "declined", "expired"]);

export async function show(main, desk, route) {
  const kept = desk.kept(route, () => ({ facilityId: "", onlyUsed: false }));
  const key = dayStart(route.query.day) === null ? null : route.query.day;
  const heading = h("h1", {}, t("desk.today.title"));
  const asOf = h("p", { class: "as-of", role: "status" });
  const attention = h("div", {});
  const list = h("div", { class: "stack" }, loading());
  const trouble = h("div", {});
  let last = null, lastAt = null;

  const tools = h("div", { class: "tools no-print" });
  const draw = () => {
    if (last === null) return;
    setText(heading, day(last.starts_at, { year: true }));
    replace(tools, dayTools(desk, last, kept, draw));
    replace(attention, attentionBox(last.attention));
    replace(list, houses(last, kept));
  };
  const told = ({ body, asOf: at, changed }) => {
    noteTime(at);
    lastAt = at;
    replace(trouble);
    if (changed) {
      last = body;
      desk.count("approvals", body.counts.approvals);
      desk.count("alarms", body.counts.alarms);
      keepFocus(main, draw);
    }
    tellAge();
  };
  const failed = (error) => {
    if (error.status === 401) return desk.draw();
    if (last === null || !(error instanceof Offline)) replace(trouble, problemBox(error));
    if (last === null) replace(list);
    tellAge();
    return undefined;
  };
  const tellAge = () => {
    if (lastAt === null) return;
    const late = now() - lastAt > LATE_S;
    asOf.dataset.state = late ? "late" : "fresh";
    setText(asOf, t(late ? "desk.today.as_of_late" : "desk.today.as_of", { time: clock(lastAt) }));
  };

  const finder = maySomewhere(desk.me, "booking.read") ? find(kept) : null;
  replace(main, h("div", { class: "head" }, heading, asOf), trouble, attention, tools, finder, list);
  desk.shell.arrive(heading);
  let usedAt = Date.now();
  const idle = () => Date.now() - usedAt > IDLE_MS;
  const polling = poll({
    ask: (etag) => askToday(key, etag), told, failed, everyMs: EVERY_MS,
    timers: { set: (run, ms) => setTimeout(run, ms), clear: (timer) => clearTimeout(timer) },
    looked: () => {
      if (idle()) replace(trouble, note("wait", t("desk.today.paused")));
      return document.visibilityState === "visible" && !idle();
    },
  });
  const back = () => document.visibilityState === "visible" && polling.now();
  const used = () => {
    const was = idle();
    usedAt = Date.now();
    if (was) polling.now();
  };
  document.addEventListener("visibilitychange", back);
  for (const name of USING) document.addEventListener(name, used, { passive: true });
  const ages = setInterval(tellAge, 5000);
  return () => {
    polling.stop();
    clearInterval(ages);
    document.removeEventListener("visibilitychange", back);
    for (const name of USING) document.removeEventListener(name, used);
  };
}

/** Somebody telephones: their booking by name, contact or number. */
function find(kept) {
  kept.find ??= { q: "", rows: null };
  const found = h("div", {});
  const q = h("input", { class: "input", type: "search", maxlength: "100", value: kept.find.q, oninput: (event) => { kept.find.q = event.target.value; } });
  const go = h("button", { class: "button button-second", type: "submit" }, t("desk.search"));
  const draw = () => replace(found, kept.find.rows && h("section", { class: "room", "aria-label": t("desk.find.results") },
    kept.find.rows.length ? h("ul", { class: "uses" }, kept.find.rows.map(foundRow)) : h("p", { class: "room-empty", role: "status" }, t("desk.none"))));
  draw();
  return h("div", { class: "stack-s no-print" },
    h("form", { class: "tools", role: "search", onsubmit: (event) => {
      event.preventDefault();
      busy(go, async () => {
        try {
          kept.find.rows = kept.find.q.trim() ? nextFirst(await call("GET", `/v1/staff/search?limit=40&q=${encodeURIComponent(kept.find.q.trim())}`), now()) : null;
        } catch (error) {
          replace(found, problemBox(error));
          return;
        }
        draw();
      });
    } }, field({ id: "today-find", label: t("desk.find.label") }, q), go), found);
}

function foundRow(booking) {
  return h("li", {}, h("a", { href: routeTo("bookings", booking.booking_id) },
    h("time", { class: "use-time", datetime: iso(booking.starts_at) }, day(booking.starts_at), h("br"), hours(booking.starts_at, booking.ends_at)),
    h("span", {}, h("span", { class: "use-name" }, booking.holder_name || t("desk.nameless")), ` ${booking.room}`),
    h("span", { class: "use-badges" }, badge(booking.status === "confirmed" ? "good" : "", t(`desk.status.${booking.status}`)))));
}

/** One question; 304 means that nothing has changed since `etag`. */
async function askToday(key, etag) {
  const path = `/v1/staff/today${key ? `?day=${key}` : ""}`;
  let response, text;
  try {
    response = await fetch(path, {
      headers: etag ? { Accept: "application/json", "If-None-Match": etag } : { Accept: "application/json" },
      credentials: "same-origin", cache: "no-store", redirect: "error", signal: AbortSignal.timeout(20_000),
    });
    text = await response.text();
  } catch {
    throw new Offline();
  }
  const at = Number(response.headers.get("Kannuki-As-Of"));
  if (response.status === 304) return { changed: false, etag, body: null, asOf: at };
  const body = settled(response.status, text, response.headers.get("Retry-After"));
  if (body === null) throw new ApiProblem(response.status, null);
  return { changed: true, etag: response.headers.get("ETag"), body, asOf: body.as_of };
}

function dayTools(desk, last, kept, draw) {
  const shown = last.day, today = dayKey(now());
  const to = (key) => routeTo("today", null, { day: key === today ? null : key });
  const pick = h("input", {
    class: "input", type: "date", id: "today-day", value: shown,
    onchange: (event) => { if (dayStart(event.target.value) !== null) location.hash = to(event.target.value); },
  });
  const houses = h("select", { id: "today-house", value: kept.facilityId, onchange: (event) => { kept.facilityId = event.target.value; draw(); } },
    h("option", { value: "" }, t("desk.every_facility")),
    last.facilities.map((each) => h("option", { value: each.facility_id }, each.name)));
  const used = h("input", { type: "checkbox", id: "today-used", checked: kept.onlyUsed, onchange: (event) => { kept.onlyUsed = event.target.checked; draw(); } });
  return [
    h("div", { class: "row" },
      h("a", { class: "button button-second", id: "today-before", href: to(addDays(shown, -1)) }, t("desk.today.before")),
      shown !== today && h("a", { class: "button button-second", id: "today-today", href: to(today) }, t("ui.today")),
      h("a", { class: "button button-second", id: "today-after", href: to(addDays(shown, 1)) }, t("desk.today.after"))),
    h("div", { class: "field" }, h("label", { for: "today-day" }, t("desk.date")), pick),
    last.facilities.length > 1 && h("div", { class: "field" }, h("label", { for: "today-house" }, t("desk.facility")), houses),
    h("label", { class: "choice choice-inline", for: "today-used" }, used, t("desk.today.only_used")),
  ];
}

function attentionBox(items) {
  if (!items.length) return h("p", { class: "soft" }, t("desk.attention.nothing"));
  return h("section", { class: "stack-s", "aria-labelledby": "attention-title" },
    h("h2", { id: "attention-title" }, t("desk.attention.title", { n: items.length })),
    h("ul", { class: "attention" }, items.map((each) => attentionRow(attentionLine(each)))));
}

function attentionRow({ kind, code, item }) {
  const words = t(code, placesOf(item));
  return h("li", { class: `is-${kind}` },
    h("span", { class: "attention-at" }, item.at === null ? "" : timeOf(item.at)),
    h("span", { class: "attention-text" }, words),
    h("a", { class: "attention-go", href: whereto(item), "aria-label": `${t("desk.attention.go")}: ${words}` }, t("desk.attention.go")));
}

function placesOf(item) {
  const places = { room: item.room ?? "", name: item.name ?? "" };
  if (item.alarm) places.what = t(item.alarm);
  for (const name of ["starts_at", "ends_at", "last_contact", "revoked_at"]) {
    places[name] = Number.isFinite(item[name]) ? timeOf(item[name]) : t("desk.never");
  }
  return places;
}

function whereto(item) {
  if (item.kind === "alarm") return routeTo("alarms");
  if (item.kind === "approval") return routeTo("approvals");
  if (item.booking_id) return routeTo("bookings", item.booking_id);
  return routeTo("fleet");
}

function houses(last, kept) {
  const shown = narrowed(last.facilities, kept);
  if (!shown.length) return h("p", { class: "empty" }, t("desk.today.no_rooms"));
  const number = counts(shown, now());
  return [
    h("p", { class: "soft" }, t("desk.today.counts", { all: number.all, now: number.now })),
    shown.map((house) => {
      const span = stripSpan(house.rooms, last.starts_at);
      return h("section", { class: "stack-s", "aria-labelledby": `house-${house.facility_id}` },
        h("h2", { id: `house-${house.facility_id}` }, house.name,
          house.closed ? [" ", badge("warn", t("desk.today.closed"))] : null),
        h("div", { class: "rooms" }, house.rooms.map((room) => roomCard(room, span))));
    }),
  ];
}

function roomCard(room, [fromS, toS]) {
  const words = doorWords(room.door);
  const live = room.bookings?.filter((each) => !GONE.has(each.status)) ?? [];
  const isNow = now() > fromS && now() < toS;
  return h("article", { class: "room", "aria-labelledby": `room-${room.room_id}` },
    h("div", { class: "room-head" },
      h("h3", { id: `room-${room.room_id}` }, room.name),
      words && badge(words.kind, t(words.code))),
    words && contactLine(room.door, words),
    h("div", { class: "strip", "aria-hidden": "true" },
      live.map((each) => {
        const { start, size } = stripPart(each, fromS, toS);
        return h("span", { vars: { "--start": String(start), "--size": String(size) } });
      }),
      isNow && h("span", { class: "strip-now", vars: { "--start": String((now() - fromS) / (toS - fromS)) } })),
    room.bookings === null ? null : room.bookings.length
      ? h("ul", { class: "uses" }, room.bookings.map(useRow))
      : h("p", { class: "room-empty" }, t("desk.today.free")));
}

/** What the state of a door is worth: "now" has no line of its own. */
function contactLine(door, words) {
  if (door.contact === "none") return null;
  const unsure = door.contact === "now" && door.clock !== null && !door.clock.sure;
  const text = door.contact === "never" ? t("desk.door.no_word")
    : words.stale ? t("desk.door.last_seen", { time: timeOf(door.last_contact), ago: ago(door.last_contact, now()) })
      : unsure ? t("desk.door.clock_unsure") : t("desk.door.seen", { time: clock(door.last_contact) });
  return h("p", { class: words.stale || unsure ? "room-contact is-stale" : "room-contact" }, text);
}

function useRow(booking) {
  const when = phase(booking, now());
  const gone = GONE.has(booking.status);
  return h("li", { class: gone ? "is-past is-gone" : `is-${when}` },
    h("a", { id: `use-${booking.booking_id}`, href: routeTo("bookings", booking.booking_id) },
      h("time", { class: "use-time", datetime: iso(booking.starts_at) }, hours(booking.starts_at, booking.ends_at)),
      h("span", { class: "use-name" }, booking.holder_name || t("desk.nameless")),
      h("span", { class: "use-badges" },
        when === "now" && !gone && badge("info", t("ui.now")),
        bookingBadges(booking).map(([kind, code]) => badge(kind, t(code))))));
}

/** Draws anew without taking the focus away from whoever is on an element that comes again. */
function keepFocus(root, redraw) {
  const id = root.contains(document.activeElement) ? document.activeElement.id : "";
  redraw();
  if (id) document.getElementById(id)?.focus({ preventScroll: true });
}
