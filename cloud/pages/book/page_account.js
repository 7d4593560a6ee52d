// My account: what the town knows of me, my groups, signing out.

import { h, replace } from "../shared/dom.js";
import { badge, busy, facts, problemBox } from "../shared/parts.js";
import { t, theirs } from "../shared/texts.js";
import { day } from "../shared/time.js";
import { me, nowS, PAGES, startPage } from "./frame.js";
import * as service from "./service.js";

let groups = [];

await startPage({
  current: "account", needsPerson: true,
  async load() {
    groups = await service.groups();
  },
  draw(main) {
    document.title = `${t("book.account")} | ${t("book.site")}`;
    replace(main, h("div", { class: "stack-l column" },
      h("h1", { class: "page-title" }, t("book.account")),
      h("section", { class: "card stack", "aria-labelledby": "who" }, h("h2", { id: "who" }, me().name || t("book.account")), known(), signOut()),
      h("section", { class: "stack", "aria-labelledby": "groups" }, h("h2", { id: "groups" }, t("book.groups")), h("p", { class: "soft" }, t("book.groups_text")),
        groups.length ? h("ul", { class: "plain-list stack" }, groups.map(group)) : h("p", { class: "empty" }, t("book.groups_none")))));
  },
});

function known() {
  return facts([
    [t("book.level"), t(`book.level_${me().level}`)],
    ...me().facts.map((each) => [theirs(each.name) ?? each.provider, [
      h("span", {}, t("book.verified_on", { day: day(each.verifiedAt, { year: true }) })), " ",
      h("span", { class: "soft" }, t("book.valid_until", { day: day(each.expiresAt, { year: true }) })),
      each.resident === true && h("span", { class: "block" }, t("book.fact_resident")),
      each.adult === true && h("span", { class: "block" }, t("book.fact_adult"))]]),
  ]);
}

function group(each) {
  const over = each.expiresAt !== null && each.expiresAt <= nowS();
  return h("li", { class: "card stack-s" },
    h("h3", {}, each.name),
    h("p", { class: "row" }, over ? badge("bad", t("book.group_over")) : badge("good", t("book.group_valid")),
      each.percent === 100 ? badge("info", t("book.pay_exempt")) : each.percent > 0 && badge("info", t("book.percent_less", { n: each.percent }))),
    each.expiresAt !== null && h("p", { class: "soft" }, t("book.valid_until", { day: day(each.expiresAt, { year: true }) })),
    over && h("p", {}, t("book.group_renew")));
}

function signOut() {
  const button = h("button", { class: "button button-second", type: "button", onclick: async () => {
    try {
      await busy(button, () => service.signOut());
      location.assign(PAGES.search);
    } catch (error) {
      button.after(problemBox(error));
    }
  } }, t("ui.sign_out"));
  return h("p", {}, button);
}
