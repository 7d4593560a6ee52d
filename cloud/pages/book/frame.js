// The frame of every page of the booking site: who is signed in, the ways, where to go without.
//
// `nowS()` is the service's time. A page that needs somebody sends them to the sign-in page, which
// comes back to where they were: to an address of this site, never to another.

import { ApiProblem } from "../shared/api.js";
import { h, replace } from "../shared/dom.js";
import { icon, loading, problemBox } from "../shared/parts.js";
import { startShell } from "../shared/shell.js";
import { t } from "../shared/texts.js";
import { serviceClock } from "./booking_flow.js";
import * as service from "./service.js";
import { PAGES, signInFirst } from "./ways.js";

const clock = serviceClock(() => Date.now() / 1000);
export const nowS = () => clock.now();

let person = null;
let town = null;
export const me = () => person;
export const townInfo = () => town;

/** Asks again who is signed in, after a change of the account. */
export async function refresh() {
  person = await service.me();
}

/**
 * Starts a page. `load()` fetches what it needs once; `draw(main, shell)` draws from what it has,
 * again after a change of language. `needsPerson`: sends everybody else to sign in first.
 */
export async function startPage({ current, needsPerson = false, load = async () => {}, draw }) {
  let state = "loading", failure = null, shell = null;
  const render = (main) => {
    if (state === "loading") replace(main, loading());
    else if (state === "failed") replace(main, failed(failure, again));
    else return draw(main, shell);
    return undefined;
  };
  const again = async () => {
    state = "loading";
    shell.draw();
    await fetchAll();
  };
  const fetchAll = async () => {
    try {
      [town, person] = await Promise.all([service.town(), service.me()]);
      clock.heard(town.now);
      if (needsPerson && !person) {
        location.replace(signInFirst(location.pathname + location.search));
        return;
      }
      await load();
      state = "ready";
    } catch (error) {
      if (isSignedOut(error)) {
        location.replace(signInFirst(location.pathname + location.search));
        return;
      }
      [state, failure] = ["failed", error];
    }
    shell.draw();
  };
  shell = await startShell({
    name: () => t("book.site"), town: () => town?.name ?? null,
    nav: () => [way("search", "book.nav_search"), way("my", "book.nav_my"), way("help", "book.nav_help")],
    side: () => accountLink(), render,
    foot: () => [{ href: PAGES.help, text: t("book.nav_help") }, { href: PAGES.privacy, text: t("book.nav_privacy") }],
  });
  await fetchAll();
  return shell;

  function way(page, code) {
    return { href: PAGES[page], text: t(code), current: page === current };
  }

  function accountLink() {
    if (state === "loading" && !town) return null;
    if (person) return h("a", { class: "button button-quiet account-link", href: PAGES.account }, icon("person"), person.name || t("book.account"));
    const back = location.pathname === PAGES.signIn ? "" : location.pathname + location.search;
    return h("a", { class: "button button-second account-link", href: back && back !== "/" ? signInFirst(back) : PAGES.signIn }, t("ui.sign_in"));
  }
}

export function isSignedOut(error) {
  return error instanceof ApiProblem && error.status === 401;
}

function failed(error, again) {
  return h("div", { class: "stack column" },
    h("h1", { class: "page-title" }, t("book.not_now")), problemBox(error),
    h("button", { class: "button", type: "button", onclick: again }, t("ui.retry")));
}
