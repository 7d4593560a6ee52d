// The locks: last contact, clock, papers. What nobody tells is called unknown.

import { call } from "../shared/api.js";
import { h, replace } from "../shared/dom.js";
import { badge, note } from "../shared/parts.js";
import { t } from "../shared/texts.js";
import { ago, clock } from "../shared/time.js";

import { clockWords, paperWords, troubled } from "./fleet_state.js";
import { table } from "./table.js";
import { timeOf } from "./times.js";
import { doorWords } from "./today_state.js";
import { noteTime, now } from "./when.js";

export async function show(main, desk) {
  const fleet = await call("GET", "/v1/staff/locks");
  noteTime(fleet.as_of);
  const heading = h("h1", {}, t("desk.nav.fleet"));
  const bad = troubled(fleet.locks).length;
  replace(main, h("div", { class: "head" }, heading, h("p", { class: "as-of" }, t("desk.today.as_of", { time: clock(fleet.as_of) }))),
    h("p", {}, t(bad ? "desk.fleet.troubled" : "desk.fleet.all_well", { n: bad, all: fleet.locks.length })),
    table({
      caption: t("desk.nav.fleet"),
      columns: ["room", "door", "contact", "clock", "papers", "journal", "device"].map((each) => t(`desk.fleet.${each}`)),
      rows: fleet.locks.map(lockRow), empty: t("desk.fleet.none"),
    }),
    note("info", t("desk.fleet.unknown_words")),
    fleet.gateways.length > 0 && [h("h2", {}, t("desk.fleet.gateways")), table({
      caption: t("desk.fleet.gateways"),
      columns: [t("desk.fleet.gateway"), t("desk.fleet.state"), t("desk.fleet.contact"), t("desk.fleet.version"), t("desk.fleet.waiting")],
      rows: fleet.gateways.map((each) => [each.gateway_id,
        each.online ? badge("good", t("desk.fleet.online")) : badge("bad", t("desk.fleet.offline")),
        timeOf(each.heard_at), each.version || t("desk.unknown"), each.waiting_events]),
    })]);
  desk.shell.arrive(heading);
}

function lockRow(lock) {
  const door = doorWords(lock), time = clockWords(lock.clock);
  return [
    [h("div", {}, lock.room ?? t("desk.fleet.no_room")), h("div", { class: "small soft" }, [lock.facility, lock.lock_id].filter(Boolean).join(" · "))],
    badge(door.kind, t(door.code)),
    lock.contact === "never" ? badge("wait", t("desk.never"))
      : h("span", {}, lock.contact === "now" ? badge("good", t("ui.now")) : badge("warn", ago(lock.last_contact, now())), " ", h("span", { class: "small soft" }, timeOf(lock.last_contact))),
    time.kind ? badge(time.kind, t(time.code, time.params)) : unknown(),
    h("dl", { class: "pairs" }, ["list", "keyset", "config"].map((each) => pair(t(`desk.fleet.${each}`), paper(lock[each]))),
      lock.list.newest_issued_at !== null && pair("", h("span", { class: "small soft" }, t("desk.fleet.issued", { time: timeOf(lock.list.newest_issued_at) })))),
    lock.journal.head === null ? unknown() : h("span", { class: "number" }, t("desk.fleet.journal_words", { head: lock.journal.head, acked: lock.journal.acknowledged })),
    h("dl", { class: "pairs" }, pair(t("desk.fleet.battery"), batteryWords(lock.battery)), pair(t("desk.fleet.firmware"), lock.firmware ?? unknown())),
  ];
}

const BATTERY_LOW = 20; // as in cloud/fleet.py

function batteryWords(percent) {
  if (percent === null) return unknown();
  return percent < BATTERY_LOW ? badge("warn", `${percent} %`) : h("span", { class: "number" }, `${percent} %`);
}

function pair(name, what) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, what));
}

function paper(held) {
  const words = paperWords(held);
  return words.behind ? badge("warn", t(words.code, words.params)) : h("span", { class: words.code === "desk.unknown" ? "quiet" : "number" }, t(words.code, words.params));
}

function unknown() {
  return h("span", { class: "quiet" }, t("desk.unknown"));
}
