// Signing in: who vouches for me, what the town learns of it, and back to where I was.

import { h, replace } from "../shared/dom.js";
import { alert, busy, problemBox } from "../shared/parts.js";
import { has, t, theirs } from "../shared/texts.js";
import { backTo, me, PAGES, startPage } from "./frame.js";
import * as service from "./service.js";

const query = new URLSearchParams(location.search);
const back = backTo(query.get("back"));
let providers = [], failure = null;

await startPage({
  current: "signIn",
  async load() {
    if (me() && !query.has("more")) location.replace(back);
    providers = await service.providers();
  },
  draw(main) {
    document.title = `${t("book.sign_in_title")} | ${t("book.site")}`;
    const reason = `book.sign_in_for_${query.get("reason")}`, problem = query.get("problem");
    replace(main, h("div", { class: "stack-l column" },
      h("h1", { class: "page-title" }, t("book.sign_in_title")),
      problem && alert("bad", has(problem) && /^[A-Z_]+$/.test(problem) ? t(problem) : t("ui.failed")),
      failure && problemBox(failure),
      h("p", { class: "lead" }, has(reason) ? t(reason) : t("book.sign_in_lead")),
      providers.length ? h("ul", { class: "plain-list stack" }, providers.map((each) => h("li", {}, way(each, main)))) : h("p", { class: "empty" }, t("book.sign_in_none")),
      h("section", { class: "stack", "aria-labelledby": "learn" },
        h("h2", { id: "learn" }, t("book.sign_in_learn")),
        h("ul", { class: "ticks" }, [1, 2, 3].map((n) => h("li", {}, t(`book.sign_in_learn_${n}`)))),
        h("p", {}, h("a", { href: PAGES.privacy }, t("book.nav_privacy")))),
      h("section", { class: "stack", "aria-labelledby": "without" },
        h("h2", { id: "without" }, t("book.sign_in_without")), h("p", {}, t("book.sign_in_without_text")))));
  },
});

function way(provider, main) {
  const button = h("button", { class: "button button-big button-wide", type: "button", onclick: async () => {
    try {
      location.assign(await busy(button, () => service.signIn(provider, back)));
    } catch (error) {
      main.prepend(problemBox(error));
    }
  } }, theirs(provider.name) ?? provider.id);
  return h("div", { class: "card stack-s" }, button, h("p", { class: "hint" }, t(`book.level_${provider.level}`)));
}
