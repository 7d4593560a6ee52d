// The record: what locks wrote, and what staff did. Search, pages, a file for Excel.

import { call } from "../shared/api.js";
import { h, replace } from "../shared/dom.js";
import { badge, field, note, problemBox } from "../shared/parts.js";
import { lang, t, theirs } from "../shared/texts.js";
import { clock, day } from "../shared/time.js";

import { EVENTS, fresh, questionOf, resultsOf } from "./audit_state.js";
import { actionWords, resultWords } from "./booking.js";
import { maySomewhere } from "./rights.js";
import { routeTo } from "./routes.js";
import { table } from "./table.js";
import { timeOf } from "./times.js";
import { now } from "./when.js";

export async function show(main, desk, route) {
  const kept = desk.kept(route, () => ({ asked: fresh(now()), lines: null, next: null }));
  const locks = maySomewhere(desk.me, "audit.read"), deeds = maySomewhere(desk.me, "action.read");
  const tab = route.query.tab === "staff" && deeds ? "staff" : locks ? "locks" : "staff";
  const heading = h("h1", {}, t("desk.nav.audit"));
  const box = h("div", { class: "stack" });
  replace(main, h("div", { class: "head" }, heading), locks && deeds && h("nav", { class: "row", "aria-label": t("desk.audit.kind") },
    ["locks", "staff"].map((each) => h("a", { class: each === tab ? "button" : "button button-second", href: routeTo("audit", null, { tab: each }), "aria-current": each === tab ? "page" : null }, t(`desk.audit.${each}`)))), box);
  desk.shell.arrive(heading);
  if (tab === "staff") await staffDeeds(box);
  else await records(box, kept);
}

async function records(box, kept) {
  const rooms = await call("GET", "/v1/facilities");
  const { asked } = kept;
  const list = h("div", { class: "stack" });
  const results = h("select", { onchange: (event) => { asked.result = event.target.value; } });
  const drawResults = () => {
    replace(results, h("option", { value: "" }, t("desk.audit.any")), resultsOf(asked.event).map((each) =>
      h("option", { value: each }, resultWords(asked.event === "LockOperationError" ? { reason: each } : { result: each }))));
    results.value = asked.result;
    results.disabled = !resultsOf(asked.event).length;
  };
  const events = h("select", { value: asked.event, onchange: (event) => { asked.event = event.target.value; asked.result = ""; drawResults(); } },
    h("option", { value: "" }, t("desk.audit.any")), EVENTS.map((each) => h("option", { value: each }, t(`desk.event.${each}`))));
  const room = h("select", { value: asked.room, onchange: (event) => { asked.room = event.target.value; } },
    h("option", { value: "" }, t("desk.audit.any")), rooms.flatMap((house) => house.rooms.map((each) => h("option", { value: each.room_id }, `${theirs(house.name)} ${theirs(each.name)}`))));
  const input = (name, type, more = {}) => h("input", { class: "input", type, value: asked[name], onchange: (event) => { asked[name] = event.target.value; }, ...more });
  drawResults();
  const load = async (after) => {
    try {
      const page = await call("GET", `/v1/staff/records?${questionOf(asked, { after })}`);
      kept.lines = after ? [...kept.lines, ...page.lines] : page.lines;
      kept.next = page.next;
    } catch (error) {
      replace(list, problemBox(error));
      return;
    }
    draw();
  };
  const draw = () => replace(list, kept.lines === null ? null : [
    h("div", { class: "row between" }, h("p", { role: "status" }, t("desk.audit.found", { n: kept.lines.length, more: kept.next ? "+" : "" })),
      h("a", { class: "button button-second", href: `/v1/staff/records.csv?${questionOf(asked, { lang: lang() })}`, download: "" }, t("desk.audit.csv"))),
    table({ caption: t("desk.audit.locks"), columns: [t("desk.time"), t("desk.room"), t("desk.what"), t("desk.who"), t("desk.audit.path")], rows: kept.lines.map(recordRow), empty: t("desk.audit.nothing") }),
    kept.next && h("p", {}, h("button", { class: "button button-second", type: "button", onclick: () => load(kept.next) }, t("desk.audit.more")))]);
  const form = h("form", { class: "tools", onsubmit: (event) => { event.preventDefault(); load(null); } },
    field({ id: "audit-first", label: t("desk.audit.from") }, input("first", "date")),
    field({ id: "audit-last", label: t("desk.audit.to") }, input("last", "date")),
    field({ id: "audit-room", label: t("desk.room") }, room),
    field({ id: "audit-event", label: t("desk.what") }, events),
    field({ id: "audit-result", label: t("desk.audit.result") }, results),
    field({ id: "audit-who", label: t("desk.audit.who") }, input("who", "search", { maxlength: "100" })),
    h("button", { class: "button", type: "submit" }, t("desk.search")));
  replace(box, form, list);
  if (kept.lines === null) await load(null);
  else draw();
}

function recordRow(line) {
  const at = line.time_lo || line.at;
  const unsure = line.time_hi === null || line.time_hi - line.time_lo > 120;
  const words = line.event === "LockOperation" || line.reason || line.event === "DoorLockAlarm" || line.event === "DoorState";
  const kind = line.reason || line.event === "DoorLockAlarm" ? "warn" : line.result === "unlock" ? "info" : "";
  const who = line.staff_name ? t("desk.audit.staff_name", { name: line.staff_name }) : line.holder_name;
  return [
    h("span", { class: "number" }, `${day(at)} ${clock(at)}`, unsure && h("span", { class: "small soft" }, ` ${line.time_hi === null ? t("desk.audit.or_later") : t("desk.audit.until", { time: clock(line.time_hi) })}`)),
    line.room ?? line.lock_id,
    h("span", {}, t(`desk.event.${line.event}`), words && [" ", badge(kind, resultWords(line))]),
    line.booking_id ? h("a", { href: routeTo("bookings", line.booking_id) }, who ?? t("desk.nameless")) : who ?? "",
    line.path ? t(`desk.path.${line.path}`) : "",
  ];
}

async function staffDeeds(box) {
  const list = h("div", { class: "stack" });
  let rows = [], next = null;
  const load = async () => {
    const page = await call("GET", `/v1/staff/actions?limit=100${next ? `&before=${next}` : ""}`);
    rows = [...rows, ...page.actions];
    next = page.next;
    draw();
  };
  const draw = () => replace(list, table({
    caption: t("desk.audit.staff"), columns: [t("desk.time"), t("desk.who"), t("desk.what"), t("desk.detail")],
    rows: rows.map((each) => [timeOf(each.at), each.name, actionWords(each.action), h("span", { class: "small mono" }, each.object_id, " ", plain(each.detail))]),
  }), next && h("p", {}, h("button", { class: "button button-second", type: "button", onclick: load }, t("desk.audit.more"))));
  const told = h("div", {});
  const check = h("button", {
    class: "button button-second", type: "button",
    onclick: async () => {
      const found = await call("GET", "/v1/staff/actions/check");
      replace(told, found.ok ? note("good", t("desk.audit.whole", { rows: found.rows })) : note("bad", t("desk.audit.broken", { row: found.broken_at })));
    },
  }, t("desk.audit.check"));
  replace(box, h("div", { class: "row" }, check), told, list);
  await load();
}

function plain(detail) {
  return Object.entries(detail).filter(([, value]) => value !== null && value !== "").map(([name, value]) => `${name}=${Array.isArray(value) ? value.join(",") : value}`).join(" ");
}
