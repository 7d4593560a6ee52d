// The door of the desk: one button.

import { h, replace } from "../shared/dom.js";
import { busy, icon, note, problemBox } from "../shared/parts.js";
import { t } from "../shared/texts.js";

import { canPasskeys, signIn } from "./passkey.js";

export async function show(main, desk) {
  const told = h("div", {});
  const heading = h("h1", { class: "page-title" }, t("desk.sign_in.title"));
  const go = h("button", {
    class: "button button-big button-wide", type: "button",
    onclick: () => busy(go, async () => {
      try {
        desk.me = await signIn();
      } catch (error) {
        replace(told, problemBox(error));
        return;
      }
      await desk.draw();
    }),
  }, icon("key"), t("desk.sign_in.button"));
  replace(main, h("div", { class: "gate stack" }, heading,
    h("p", {}, t("desk.sign_in.lead")),
    canPasskeys() ? go : note("warn", t("desk.passkey.absent")),
    told,
    h("p", { class: "soft small" }, t("desk.sign_in.help"))));
  desk.shell.arrive(heading);
}
