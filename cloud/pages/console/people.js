// Who works for the town: invited, given roles, suspended. For managers of the whole town.

import { call } from "../shared/api.js";
import { h, replace } from "../shared/dom.js";
import { ask, badge, field } from "../shared/parts.js";
import { t, theirs } from "../shared/texts.js";

import { linkBox } from "./booking.js";
import { afresh } from "./me.js";
import { may } from "./rights.js";
import { table } from "./table.js";
import { timeOf } from "./times.js";
import { now } from "./when.js";

const ROLES = ["clerk", "technician", "auditor", "manager"];

export async function show(main, desk) {
  const [people, houses] = await Promise.all([call("GET", "/v1/staff/people"), call("GET", "/v1/facilities")]);
  const heading = h("h1", {}, t("desk.nav.people"));
  const told = h("div", {});
  const mayChange = may(desk.me, "staff.change");
  const context = { desk, houses, told };
  replace(main, h("div", { class: "head" }, heading,
    mayChange && h("button", { class: "button", type: "button", onclick: () => invite(context) }, t("desk.people.invite"))), told,
  table({
    caption: t("desk.nav.people"),
    columns: [t("desk.person_name"), t("desk.people.roles"), t("desk.people.state"), t("desk.people.last"), t("desk.deeds")],
    rows: people.map((each) => [each.name, each.grants.map((grant) => h("div", {}, roleWords(grant, houses))), stateOf(each),
      each.last_sign_in_at ? timeOf(each.last_sign_in_at) : t("desk.never"),
      mayChange && h("div", { class: "row" },
        h("button", { class: "button button-second", type: "button", onclick: () => changeRoles(context, each) }, t("desk.people.roles")),
        h("button", { class: "button button-second", type: "button", onclick: () => inviteAgain(context, each) }, t("desk.people.link")),
        h("button", { class: each.suspended ? "button button-second" : "button button-bad", type: "button", onclick: () => suspend(context, each) },
          t(each.suspended ? "desk.people.restore" : "desk.people.suspend")))]),
  }));
  desk.shell.arrive(heading);
}

function roleWords(grant, houses) {
  const role = t(`desk.role.${grant.role}`);
  if (grant.facility_id === null) return role;
  const house = houses.find((each) => each.facility_id === grant.facility_id);
  return t("desk.role.at", { role, facility: house ? theirs(house.name) : grant.facility_id });
}

function stateOf(person) {
  if (person.suspended) return badge("bad", t("desk.people.suspended"));
  if (!person.passkeys) return badge("wait", person.invited_until > now() ? t("desk.people.invited") : t("desk.people.no_passkey"));
  return badge("good", t("desk.people.active"));
}

/** Boxes for each role in the whole town, and for the clerk in each house. */
function roleBoxes(houses, grants) {
  const has = (role, at) => grants.some((each) => each.role === role && each.facility_id === at);
  const boxes = [];
  const box = (role, at, text) => {
    const input = h("input", { type: "checkbox", id: `role-${role}-${at ?? "town"}`, checked: has(role, at) });
    boxes.push({ role, at, input });
    return h("label", { class: "choice choice-inline", for: input.id }, input, text);
  };
  const kept = grants.filter((each) => each.facility_id !== null && (each.role !== "clerk" || !houses.some((house) => house.facility_id === each.facility_id)));
  const node = h("div", { class: "stack-s" },
    h("fieldset", {}, h("legend", { class: "label" }, t("desk.people.in_town")), ROLES.map((role) => box(role, null, t(`desk.role.${role}`)))),
    h("fieldset", {}, h("legend", { class: "label" }, t("desk.people.clerk_of")), houses.map((house) => box("clerk", house.facility_id, theirs(house.name)))),
    kept.length > 0 && h("p", { class: "hint" }, t("desk.people.kept", { roles: kept.map((each) => roleWords(each, houses)).join(", ") })));
  return { node, grants: () => [...boxes.filter(({ input }) => input.checked).map(({ role, at }) => ({ role, facility_id: at })), ...kept] };
}

async function invite({ desk, houses, told }) {
  const name = h("input", { class: "input", maxlength: "100", autocomplete: "off" });
  const roles = roleBoxes(houses, []);
  const answer = await ask({
    title: t("desk.people.invite"), yes: t("desk.people.make_link"),
    body: h("div", { class: "stack-s" }, field({ id: "person-name", label: t("desk.person_name"), must: true }, name), roles.node),
    act: () => afresh(() => call("POST", "/v1/staff/people", { name: name.value.trim(), grants: roles.grants() })),
  });
  if (!answer) return;
  await desk.draw();
  tell(answer);
}

/** Shown above the list that has just been drawn anew. */
function tell(answer) {
  document.querySelector("main .head")?.after(linkBox(answer.invite_link, t("desk.people.link_for", { name: answer.person.name }), t("desk.people.link_once", { until: timeOf(answer.invited_until) })));
}

async function inviteAgain({ desk }, person) {
  const drop = h("input", { type: "checkbox", id: "drop-passkeys" });
  const answer = await ask({
    title: t("desk.people.link"), yes: t("desk.people.make_link"),
    body: h("div", { class: "stack-s" }, h("p", {}, person.name), h("label", { class: "choice choice-inline", for: "drop-passkeys" }, drop, t("desk.people.drop"))),
    act: () => afresh(() => call("POST", `/v1/staff/people/${person.staff_id}/invite`, { drop_passkeys: drop.checked })),
  });
  if (!answer) return;
  await desk.draw();
  tell(answer);
}

async function changeRoles({ desk, houses }, person) {
  const roles = roleBoxes(houses, person.grants);
  const done = await ask({
    title: t("desk.people.roles_of", { name: person.name }), body: roles.node, yes: t("ui.save"),
    act: () => afresh(() => call("POST", `/v1/staff/people/${person.staff_id}/grants`, { grants: roles.grants() })),
  });
  if (done) desk.draw();
}

async function suspend({ desk }, person) {
  const what = person.suspended ? "restore" : "suspend";
  const done = await ask({
    title: t(`desk.people.${what}`), yes: t(`desk.people.${what}`), bad: !person.suspended,
    body: h("p", {}, person.suspended ? person.name : t("desk.people.suspend_words", { name: person.name })),
    act: () => afresh(() => call("POST", `/v1/staff/people/${person.staff_id}/${what}`)),
  });
  if (done) desk.draw();
}
