// Closed days of a house or one room.

import { call } from "../shared/api.js";
import { h, replace } from "../shared/dom.js";
import { ask, field, problemBox } from "../shared/parts.js";
import { t, theirs } from "../shared/texts.js";
import { DAY_S, day, dayKey, dayStart } from "../shared/time.js";

import { may } from "./rights.js";
import { table } from "./table.js";
import { now } from "./when.js";

export async function show(main, desk, route) {
  const houses = await call("GET", "/v1/staff/facilities");
  const kept = desk.kept(route, () => ({ house: houses[0]?.facility_id ?? "", room: "", first: "", last: "", reason: "" }));
  const heading = h("h1", {}, t("desk.nav.closed"));
  const list = h("div", {}), told = h("div", {});
  const house = () => houses.find((each) => each.facility_id === kept.house);
  const load = async () => {
    if (!house()) return;
    const days = await call("GET", `/v1/staff/closed-days?facility=${encodeURIComponent(kept.house)}&from=${dayKey(now())}`);
    const names = new Map(house().rooms.map((each) => [each.room_id, theirs(each.name)]));
    replace(list, table({
      caption: t("desk.nav.closed"), columns: [t("desk.date"), t("desk.room"), t("desk.closed.reason"), t("desk.deeds")], empty: t("desk.closed.none"),
      rows: days.map((each) => [day(dayStart(each.day), { year: true }), each.room_id ? names.get(each.room_id) ?? each.room_id : t("desk.closed.whole"), each.reason,
        may(desk.me, "closed-day.change", kept.house) && h("button", { class: "button button-second", type: "button", "aria-label": `${t("desk.closed.open")}: ${each.day}`, onclick: () => reopen(each) }, t("desk.closed.open"))]),
    }));
  };
  const reopen = (each) => ask({
    title: t("desk.closed.open"), body: h("p", {}, day(dayStart(each.day), { year: true })), yes: t("desk.closed.open"),
    act: () => call("POST", "/v1/staff/closed-days/remove", { facility_id: kept.house, room_id: each.room_id, days: [each.day] }),
  }).then((done) => done && load());
  const close = async () => {
    const days = daysBetween(kept.first, kept.last || kept.first);
    try {
      await call("POST", "/v1/staff/closed-days", { facility_id: kept.house, room_id: kept.room || null, days, reason: kept.reason.trim() });
    } catch (error) {
      replace(told, problemBox(error));
      return;
    }
    replace(told);
    desk.say(t("desk.closed.done", { n: days.length }));
    await load();
  };
  const input = (name, type, more = {}) => h("input", { class: "input", type, value: kept[name], onchange: (event) => { kept[name] = event.target.value; }, ...more });
  const rooms = h("select", { onchange: (event) => { kept.room = event.target.value; } });
  const drawRooms = () => {
    replace(rooms, h("option", { value: "" }, t("desk.closed.whole")), (house()?.rooms ?? []).map((each) => h("option", { value: each.room_id }, theirs(each.name))));
    rooms.value = kept.room;
  };
  const picker = h("select", { value: kept.house, onchange: (event) => { kept.house = event.target.value; kept.room = ""; drawRooms(); load(); } },
    houses.map((each) => h("option", { value: each.facility_id }, theirs(each.name))));
  drawRooms();
  replace(main, h("div", { class: "head" }, heading),
    h("form", { class: "tools", onsubmit: (event) => { event.preventDefault(); close(); } },
      field({ id: "closed-house", label: t("desk.facility") }, picker),
      may(desk.me, "closed-day.change", kept.house) && [
        field({ id: "closed-room", label: t("desk.room") }, rooms),
        field({ id: "closed-first", label: t("desk.closed.first") }, input("first", "date", { required: true, min: dayKey(now()) })),
        field({ id: "closed-last", label: t("desk.closed.last") }, input("last", "date")),
        field({ id: "closed-reason", label: t("desk.closed.reason") }, input("reason", "text", { maxlength: "200" })),
        h("button", { class: "button", type: "submit" }, t("desk.closed.close"))]),
    h("p", { class: "hint wordy" }, t("desk.closed.words")), told, list);
  desk.shell.arrive(heading);
  await load();
}

/** Every day from the first to the last, at most 400. */
export function daysBetween(first, last) {
  const start = dayStart(first), end = dayStart(last);
  if (start === null || end === null) return [];
  return Array.from({ length: Math.max(1, Math.min(400, Math.round((end - start) / DAY_S) + 1)) }, (_, at) => dayKey(start + at * DAY_S));
}
