// Registered groups: who they are, what evidence the town was shown, until when it counts.

import { call } from "../shared/api.js";
import { h, replace } from "../shared/dom.js";
import { ask, badge, field, problemBox } from "../shared/parts.js";
import { t } from "../shared/texts.js";
import { DAY_S, addDays, day, dayKey, dayStart } from "../shared/time.js";

import { may } from "./rights.js";
import { table } from "./table.js";
import { now } from "./when.js";

const KINDS = ["community", "sport", "culture", "welfare", "children", "school", "town"];

export async function show(main, desk, route) {
  const kept = desk.kept(route, () => ({ q: "" }));
  const heading = h("h1", {}, t("desk.nav.groups"));
  const list = h("div", { class: "stack" });
  const mayChange = may(desk.me, "group.change");
  const load = async () => {
    try {
      const groups = await call("GET", `/v1/staff/groups?q=${encodeURIComponent(kept.q.trim())}`);
      replace(list, groups.length ? h("div", { class: "rooms" }, groups.map((each) => card(each, mayChange, load)))
        : h("p", { class: "empty" }, t("desk.groups.none")));
    } catch (error) {
      replace(list, problemBox(error));
    }
  };
  const q = h("input", { class: "input", type: "search", maxlength: "100", value: kept.q, oninput: (event) => { kept.q = event.target.value; } });
  replace(main, h("div", { class: "head" }, heading,
    mayChange && h("button", { class: "button", type: "button", onclick: () => add(load) }, t("desk.groups.add"))),
  h("form", { class: "tools", onsubmit: (event) => { event.preventDefault(); load(); } },
    field({ id: "groups-q", label: t("desk.person_name") }, q), h("button", { class: "button button-second", type: "submit" }, t("desk.search"))), list);
  desk.shell.arrive(heading);
  await load();
}

function card(group, mayChange, load) {
  const soon = now() + 60 * DAY_S;
  return h("article", { class: "card stack-s", "aria-labelledby": `group-${group.group_id}` },
    h("div", { class: "row between" }, h("h2", { id: `group-${group.group_id}` }, group.name),
      !group.active && badge("bad", t("desk.groups.inactive")), group.may_be_invoiced && badge("", t("desk.pay.invoice"))),
    h("p", { class: "soft" }, [kindWords(group.kind), group.contact].filter(Boolean).join(" · ")),
    table({
      caption: t("desk.groups.evidence"), columns: [t("desk.groups.evidence"), t("desk.groups.until")], empty: t("desk.groups.no_evidence"),
      rows: group.evidence.map((each) => [
        h("span", {}, `${each.kind}: ${each.shown}`, each.reduction_percent !== null && ` (${t("desk.groups.percent", { n: each.reduction_percent })})`),
        h("span", {}, day(each.expires_at - 1, { year: true }), " ", each.withdrawn_at !== null ? badge("", t("desk.groups.withdrawn"))
          : !each.counts_now ? badge("bad", t("desk.groups.over")) : each.expires_at < soon ? badge("warn", t("desk.groups.soon")) : badge("good", t("desk.groups.counts"))),
      ]),
    }),
    table({
      caption: t("desk.groups.members"), columns: [t("desk.groups.members"), t("desk.groups.number"), t("desk.deeds")], empty: t("desk.groups.no_members"),
      rows: group.members.map((each) => [each.name || t("desk.nameless"), h("span", { class: "mono" }, each.number),
        mayChange && h("button", { class: "button button-quiet", type: "button", "aria-label": `${t("desk.groups.remove_member")}: ${each.name || each.number}`, onclick: () => removeMember(group, each, load) }, t("desk.groups.remove_member"))]),
    }),
    mayChange && h("div", { class: "row" },
      h("button", { class: "button button-second", type: "button", onclick: () => addMember(group, load) }, t("desk.groups.add_member")),
      h("button", { class: "button button-second", type: "button", onclick: () => addEvidence(group, load) }, t("desk.groups.add_evidence")),
      h("button", { class: "button button-quiet", type: "button", onclick: () => setActive(group, load) }, t(group.active ? "desk.groups.suspend" : "desk.groups.restore"))));
}

function kindWords(kind) {
  const words = t(`desk.groups.kind.${kind}`);
  return words.startsWith("desk.groups.kind.") ? kind : words;
}

async function add(load) {
  const name = h("input", { class: "input", maxlength: "200", autocomplete: "off" });
  const kind = h("select", {}, KINDS.map((each) => h("option", { value: each }, kindWords(each))));
  const contact = h("input", { class: "input", maxlength: "200", autocomplete: "off" });
  const bill = h("input", { type: "checkbox", id: "group-bill" });
  const done = await ask({
    title: t("desk.groups.add"), yes: t("ui.save"),
    body: h("div", { class: "stack-s" }, field({ id: "group-name", label: t("desk.person_name"), must: true }, name), field({ id: "group-kind", label: t("desk.groups.kind") }, kind),
      field({ id: "group-contact", label: t("desk.booking.contact") }, contact), h("label", { class: "choice choice-inline", for: "group-bill" }, bill, t("desk.groups.invoice"))),
    act: () => call("POST", "/v1/staff/groups", { name: name.value.trim(), kind: kind.value, contact: contact.value.trim(), may_be_invoiced: bill.checked }),
  });
  if (done) await load();
}

async function addEvidence(group, load) {
  const kind = h("input", { class: "input", maxlength: "40", autocomplete: "off" });
  const shown = h("input", { class: "input", maxlength: "300", autocomplete: "off" });
  const percent = h("input", { class: "input input-short", type: "number", min: "0", max: "100", inputmode: "numeric" });
  const until = h("input", { class: "input", type: "date", value: addDays(dayKey(now()), 365), min: dayKey(now()) });
  const done = await ask({
    title: t("desk.groups.add_evidence"), yes: t("ui.save"),
    body: h("div", { class: "stack-s" }, h("p", {}, group.name), field({ id: "evidence-kind", label: t("desk.groups.evidence_kind"), must: true }, kind),
      field({ id: "evidence-shown", label: t("desk.groups.shown"), hint: t("desk.groups.shown_hint"), must: true }, shown),
      field({ id: "evidence-percent", label: t("desk.groups.reduction"), hint: t("desk.groups.reduction_hint") }, percent),
      field({ id: "evidence-until", label: t("desk.groups.until") }, until)),
    act: () => call("POST", `/v1/staff/groups/${group.group_id}/evidence`, {
      kind: kind.value.trim(), shown: shown.value.trim(), reduction_percent: percent.value === "" ? null : Number(percent.value),
      expires_at: dayStart(addDays(until.value || dayKey(now()), 1)),
    }),
  });
  if (done) await load();
}

/** By the number on the resident's own account page: nobody is looked for by name. */
async function addMember(group, load) {
  const number = h("input", { class: "input", maxlength: "40", autocomplete: "off", autocapitalize: "none", spellcheck: "false" });
  const done = await ask({
    title: t("desk.groups.add_member"), yes: t("ui.save"),
    body: h("div", { class: "stack-s" }, h("p", {}, group.name), field({ id: "member-number", label: t("desk.groups.number"), hint: t("desk.groups.number_hint"), must: true }, number)),
    act: () => call("POST", `/v1/staff/groups/${group.group_id}/members`, { number: number.value.trim() }),
  });
  if (done) await load();
}

async function removeMember(group, member, load) {
  const done = await ask({
    title: t("desk.groups.remove_member"), yes: t("desk.groups.remove_member"), bad: true,
    body: h("p", {}, `${group.name}: ${member.name || member.number}`),
    act: async () => (await call("DELETE", `/v1/staff/groups/${group.group_id}/members/${member.account_id}`)) ?? true,
  });
  if (done) await load();
}

async function setActive(group, load) {
  const done = await ask({
    title: t(group.active ? "desk.groups.suspend" : "desk.groups.restore"), body: h("p", {}, group.name), bad: group.active,
    yes: t(group.active ? "desk.groups.suspend" : "desk.groups.restore"),
    act: () => call("PATCH", `/v1/staff/groups/${group.group_id}`, { active: !group.active, version: group.version }),
  });
  if (done) await load();
}
