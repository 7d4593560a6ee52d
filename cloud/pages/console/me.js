// One's own passkeys and signed-in devices.

import { call } from "../shared/api.js";
import { h, replace } from "../shared/dom.js";
import { ask, badge, busy, field, problemBox } from "../shared/parts.js";
import { t } from "../shared/texts.js";
import { day } from "../shared/time.js";

import { register, signIn } from "./passkey.js";
import { table } from "./table.js";
import { timeOf } from "./times.js";

export async function show(main, desk, route) {
  const [me, sessions] = await Promise.all([call("GET", "/v1/staff/me"), call("GET", "/v1/staff/session/list")]);
  desk.me = me;
  const heading = h("h1", {}, t("desk.me.title", { name: me.name }));
  const told = h("div", {});
  replace(main, h("div", { class: "head" }, heading),
    h("p", {}, me.grants.map((grant) => badge("info", roleWords(grant)))),
    h("h2", {}, t("desk.me.passkeys")), told,
    table({
      caption: t("desk.me.passkeys"),
      columns: [t("desk.me.device"), t("desk.me.made"), t("desk.me.used"), t("desk.deeds")],
      rows: me.passkeys.map((key) => [
        h("span", {}, key.label || t("desk.me.unnamed"), " ", key.backed_up && badge("", t("desk.me.backed_up"))),
        day(key.created_at, { year: true }), key.last_used_at ? timeOf(key.last_used_at) : t("desk.never"),
        me.passkeys.length > 1 && h("button", { class: "button button-bad", type: "button", onclick: () => remove(desk, key) }, t("desk.me.remove")),
      ]),
    }),
    addForm(desk, told),
    h("h2", {}, t("desk.me.sessions")),
    table({
      caption: t("desk.me.sessions"),
      columns: [t("desk.me.device"), t("desk.me.since"), t("desk.me.seen")],
      rows: sessions.map((each) => [
        h("span", {}, each.device, " ", each.current && badge("good", t("desk.me.this"))), timeOf(each.started_at), timeOf(each.seen_at)]),
    }),
    h("p", {}, h("button", { class: "button button-bad", type: "button", onclick: () => everywhere(desk) }, t("desk.me.end_all"))));
  desk.shell.arrive(heading);
}

function roleWords(grant) {
  const role = t(`desk.role.${grant.role}`);
  return grant.facility_id === null ? role : t("desk.role.at", { role, facility: grant.facility_id });
}

function addForm(desk, told) {
  const label = h("input", { class: "input", maxlength: "60", autocomplete: "off" });
  const go = h("button", { class: "button", type: "submit" }, t("desk.me.add"));
  return h("form", {
    class: "tools",
    onsubmit: (event) => {
      event.preventDefault();
      busy(go, async () => {
        try {
          await afresh(() => register(label.value.trim()));
        } catch (error) {
          replace(told, problemBox(error));
          return;
        }
        desk.draw();
      });
    },
  }, field({ id: "me-label", label: t("desk.join.label") }, label), go);
}

function remove(desk, key) {
  ask({
    title: t("desk.me.remove_title"), body: h("p", {}, key.label || t("desk.me.unnamed")), yes: t("desk.me.remove"), bad: true,
    act: () => afresh(() => call("DELETE", `/v1/staff/passkeys/${key.passkey_id}`)).then(() => true),
  }).then((done) => done && desk.draw());
}

function everywhere(desk) {
  ask({
    title: t("desk.me.end_all"), body: h("p", {}, t("desk.me.end_all_words")), yes: t("desk.me.end_all"), bad: true,
    act: () => call("POST", "/v1/staff/session/end", { everywhere: true }).then(() => true),
  }).then((done) => {
    if (!done) return;
    desk.leave();
    desk.draw();
  });
}

/** Does what needs a fresh sign-in; when the last one is too old, signs in again and does it. */
export async function afresh(deed) {
  try {
    return await deed();
  } catch (error) {
    if (error.code !== "SIGN_IN_AGAIN") throw error;
    await signIn();
    return deed();
  }
}
