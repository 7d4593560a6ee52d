// Minutes saved: counts of this town times stated assumptions, next to the pilot's own totals.

import { call } from "../shared/api.js";
import { h, replace } from "../shared/dom.js";
import { field, note, problemBox } from "../shared/parts.js";
import { t, theirs } from "../shared/texts.js";
import { dayKey, dayStart } from "../shared/time.js";

import { table } from "./table.js";
import { now } from "./when.js";

export async function show(main, desk, route) {
  const kept = desk.kept(route, () => ({ first: `${dayKey(now()).slice(0, 8)}01`, last: dayKey(now()) }));
  const heading = h("h1", {}, t("desk.nav.effect"));
  const box = h("div", { class: "stack" });
  const load = async () => {
    try {
      const told = await call("GET", `/v1/staff/effect?from=${dayStart(kept.first)}&to=${dayStart(kept.last) + 86400}`);
      replace(box, drawn(told));
    } catch (error) {
      replace(box, problemBox(error));
    }
  };
  const input = (name) => h("input", { class: "input", type: "date", value: kept[name], onchange: (event) => { if (dayStart(event.target.value) !== null) kept[name] = event.target.value; } });
  replace(main, h("div", { class: "head" }, heading),
    h("form", { class: "tools no-print", onsubmit: (event) => { event.preventDefault(); load(); } },
      field({ id: "effect-first", label: t("desk.audit.from") }, input("first")),
      field({ id: "effect-last", label: t("desk.audit.to") }, input("last")),
      h("button", { class: "button", type: "submit" }, t("desk.effect.show"))), box);
  desk.shell.arrive(heading);
  await load();
}

function drawn(told) {
  return [
    h("div", { class: "effects" }, side("residents", told), side("staff", told)),
    h("h2", {}, t("desk.effect.counts")),
    table({
      caption: t("desk.effect.counts"), columns: [t("desk.what"), t("desk.effect.number")], numbers: [1],
      rows: Object.entries(told.counts).map(([name, number]) => [t(`desk.effect.count.${name}`), number]),
    }),
    h("h2", {}, t("desk.effect.assumptions")),
    table({
      caption: t("desk.effect.assumptions"), columns: [t("desk.what"), t("desk.effect.minutes"), t("desk.effect.source")], numbers: [1],
      rows: told.assumptions.map((each) => [theirs(each.words), minutes(each.minutes), t(`desk.effect.source.${each.source}`)]),
    }),
    note("info", t("desk.effect.honest_title"), h("p", {}, t("desk.effect.honest"))),
  ];
}

function side(name, told) {
  const ours = told[name], pilot = told.pilot[name];
  const most = Math.max(pilot.before, ours.same_uses ?? 0, 1);
  return h("section", { class: "card stack-s", "aria-labelledby": `effect-${name}` },
    h("h2", { id: `effect-${name}` }, t(`desk.effect.${name}`)),
    h("p", { class: "saved" }, t(ours.saved >= 0 ? "desk.effect.saved" : "desk.effect.lost", { n: minutes(Math.abs(ours.saved)) })),
    h("p", {}, t("desk.effect.from_to", { before: minutes(ours.before), now: minutes(ours.now), uses: told.counts.uses })),
    h("h3", {}, t("desk.effect.per", { uses: pilot.uses })),
    bar(t("desk.effect.before"), pilot.before, most, ""),
    bar(t("desk.effect.pilot"), pilot.after, most, ""),
    ours.same_uses === null ? h("p", { class: "soft" }, t("desk.effect.no_uses")) : bar(t("desk.effect.here"), ours.same_uses, most, "is-ours"));
}

function bar(label, value, most, kind) {
  return h("div", { class: `bar ${kind}` }, h("span", {}, label),
    h("span", { class: "bar-track", "aria-hidden": "true" }, h("span", { vars: { "--part": String(Math.min(1, value / most)) } })),
    h("span", { class: "bar-value" }, t("ui.minutes", { n: minutes(value) })));
}

function minutes(value) {
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}
