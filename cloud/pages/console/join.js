// Somebody new opens their invitation and makes a passkey. The secret came behind # and leaves the
// address at once; it is used up by the passkey.

import { h, replace } from "../shared/dom.js";
import { busy, field, icon, note, problemBox } from "../shared/parts.js";
import { t } from "../shared/texts.js";

import { canPasskeys, register } from "./passkey.js";

const SECRET = /^[A-Za-z0-9_-]{43}$/;

export async function show(main, desk, { secret }) {
  const heading = h("h1", { class: "page-title" }, t("desk.join.title"));
  const told = h("div", {});
  const label = h("input", { class: "input", maxlength: "60", autocomplete: "off", value: t("desk.join.this_device") });
  const go = h("button", { class: "button button-big button-wide", type: "submit" }, icon("key"), t("desk.join.button"));
  const form = h("form", {
    class: "stack",
    onsubmit: (event) => {
      event.preventDefault();
      busy(go, async () => {
        try {
          await register(label.value.trim(), secret);
        } catch (error) {
          replace(told, problemBox(error));
          return;
        }
        location.replace("/#/today");
      });
    },
  }, field({ id: "join-label", label: t("desk.join.label"), hint: t("desk.join.label_hint") }, label), go, told);
  const usable = SECRET.test(secret ?? "");
  replace(main, h("div", { class: "gate stack" }, heading,
    !usable ? note("bad", t("desk.join.bad_link"))
      : !canPasskeys() ? note("warn", t("desk.passkey.absent"))
        : [h("p", {}, t("desk.join.lead")), form]));
  desk.shell.arrive(heading);
}
