// Alarms: what happened, how often, who has seen it and who has seen to it.

import { call } from "../shared/api.js";
import { h, replace } from "../shared/dom.js";
import { ask, badge, field } from "../shared/parts.js";
import { t, theirs } from "../shared/texts.js";

import { maySomewhere } from "./rights.js";
import { timeOf } from "./times.js";

const KINDS = { open: "bad", seen: "warn", handled: "good" };

export async function show(main, desk, route) {
  const kept = desk.kept(route, () => ({ all: false }));
  const alarms = await call("GET", "/v1/staff/alarm-list");
  desk.count("alarms", alarms.filter((each) => each.standing !== "handled").length);
  const heading = h("h1", {}, t("desk.nav.alarms"));
  const list = h("div", { class: "stack" });
  const draw = () => {
    const shown = alarms.filter((each) => kept.all || each.standing !== "handled");
    replace(list, shown.length ? h("div", { class: "rooms" }, shown.map((each) => card(desk, each)))
      : h("p", { class: "empty" }, t("desk.alarms.none")));
  };
  const all = h("input", { type: "checkbox", id: "alarms-all", checked: kept.all, onchange: (event) => { kept.all = event.target.checked; draw(); } });
  replace(main, h("div", { class: "head" }, heading,
    h("label", { class: "choice choice-inline", for: "alarms-all" }, all, t("desk.alarms.all"))), list);
  draw();
  desk.shell.arrive(heading);
}

function card(desk, alarm) {
  const words = theirs(alarm.meaning) ?? alarm.kind;
  return h("article", { class: "card stack-s", "aria-labelledby": `alarm-${alarm.alarm_id}` },
    h("div", { class: "row between" }, h("h2", { id: `alarm-${alarm.alarm_id}` }, alarm.room ?? alarm.device), badge(KINDS[alarm.standing], t(`desk.alarms.${alarm.standing}`))),
    h("p", {}, words),
    h("p", { class: "soft small" }, t("desk.alarms.times", { n: alarm.times, first: timeOf(alarm.first_at), last: timeOf(alarm.last_at) })),
    h("details", {}, h("summary", {}, t("desk.alarms.detail")), h("p", { class: "mono small" }, `${alarm.kind} ${alarm.device}: ${alarm.detail}`)),
    alarm.seen && h("p", { class: "small" }, t("desk.alarms.seen_by", { name: alarm.seen.by, time: timeOf(alarm.seen.at) })),
    alarm.handled && h("p", { class: "small" }, t("desk.alarms.handled_by", { name: alarm.handled.by, time: timeOf(alarm.handled.at) }), alarm.handled.note && ` “${alarm.handled.note}”`),
    alarm.standing !== "handled" && maySomewhere(desk.me, "alarm.handle") && h("div", { class: "row" },
      alarm.standing === "open" && h("button", { class: "button button-second", type: "button", onclick: () => see(desk, alarm) }, t("desk.alarms.see")),
      h("button", { class: "button", type: "button", onclick: () => handle(desk, alarm) }, t("desk.alarms.handle"))));
}

async function see(desk, alarm) {
  await ask({
    title: t("desk.alarms.see"), body: h("p", {}, t("desk.alarms.see_words")), yes: t("desk.alarms.see"),
    act: () => call("POST", `/v1/staff/alarms/${alarm.alarm_id}/seen`),
  }).then((done) => done && desk.draw());
}

async function handle(desk, alarm) {
  const input = h("textarea", { rows: "2", maxlength: "300" });
  await ask({
    title: t("desk.alarms.handle"), yes: t("desk.alarms.handle"),
    body: field({ id: "alarm-note", label: t("desk.alarms.note") }, input),
    act: () => call("POST", `/v1/staff/alarms/${alarm.alarm_id}/handled`, { note: input.value.trim() }),
  }).then((done) => done && desk.draw());
}
