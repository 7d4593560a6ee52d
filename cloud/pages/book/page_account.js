// My account: what the town knows of me and since when, my ways in, where I am signed in, my groups,
// and the end of it all.

import { h, replace } from "../shared/dom.js";
import { alert, ask, badge, busy, facts, field, problemBox } from "../shared/parts.js";
import { t, theirs } from "../shared/texts.js";
import { ago, day } from "../shared/time.js";
import { me, nowS, refresh, startPage } from "./frame.js";
import * as service from "./service.js";
import { PAGES, signInFirst } from "./ways.js";

let groups = [], sessions = [], providers = [], told = null, shell = null;

shell = await startPage({
  current: "account", needsPerson: true,
  async load() {
    [groups, sessions, providers] = await Promise.all([service.groups(), service.sessions(), service.providers()]);
  },
  draw(main) {
    document.title = `${t("book.account")} | ${t("book.site")}`;
    replace(main, h("div", { class: "stack-l" },
      h("h1", { class: "page-title" }, t("book.account")), told,
      h("div", { class: "pair" }, h("div", { class: "stack-l" }, h("section", { class: "card card-first stack", "aria-labelledby": "who" }, h("h2", { id: "who" }, me().name || t("book.nameless")), known(), naming()),
      section("groups", t("book.groups"), h("p", { class: "soft" }, t("book.groups_text", { number: me().number })), list(groups.map(group), t("book.groups_none")))),
      h("div", { class: "stack-l" }, section("ways-in", t("book.ways_in"), list(me().links.map(wayIn)), moreWays()),
      section("devices", t("book.devices"), list(sessions.map(device)), signOut()),
      section("delete", t("book.delete_title"), h("p", {}, t("book.delete_text")), deleting())))));
  },
});

function section(id, title, ...inside) {
  return h("section", { class: "stack", "aria-labelledby": id }, h("h2", { id }, title), inside);
}

function list(items, empty = null) {
  if (!items.length) return empty && h("p", { class: "empty" }, empty);
  return h("ul", { class: "plain-list stack" }, items);
}

function known() {
  return facts([
    [t("book.number"), h("span", { class: "mono" }, me().number)],
    [t("book.level"), t(`book.level_${me().level}`)],
    [t("book.fact_resident"), me().resident === null ? null : t(me().resident ? "ui.yes" : "ui.no")],
    [t("book.fact_adult"), me().adult === null ? null : t(me().adult ? "ui.yes" : "ui.no")],
    ...me().verified.map((each) => [each.name, [
      h("span", { class: "block" }, t("book.verified_on", { day: day(each.verifiedAt, { year: true }) })),
      h("span", { class: "soft" }, each.expired ? t("book.group_over") : t("book.valid_until", { day: day(each.expiresAt, { year: true }) }))]]),
  ]);
}

/** A name of one's own word, until a provider tells one. */
function naming() {
  if (me().nameIsVerified) return null;
  const input = h("input", { class: "input", maxlength: "100", value: me().name, autocomplete: "name" });
  return h("form", { class: "stack-s", onsubmit: (event) => { event.preventDefault(); after(service.rename(input.value)); } },
    field({ id: "name", label: t("book.call_me"), hint: t("book.call_me_hint") }, input),
    h("button", { class: "button button-second", type: "submit" }, t("ui.save")));
}

function group(each) {
  const valid = each.evidenceUntil !== null && each.evidenceUntil > nowS();
  return h("li", { class: "card stack-s" },
    h("h3", {}, each.name),
    h("p", { class: "row" }, valid ? badge("good", t("book.group_valid")) : badge("warn", t("book.group_over"))),
    h("p", { class: "soft" }, valid ? t("book.valid_until", { day: day(each.evidenceUntil, { year: true }) }) : t("book.group_renew")));
}

function wayIn(each) {
  const words = each.name;
  return h("li", { class: "card booking-line" },
    h("div", {}, h("h3", {}, words), h("p", { class: "soft small" }, t("book.last_used", { time: ago(each.lastUsedAt, nowS()) }))),
    me().links.length > 1 && h("button", { class: "button button-quiet", type: "button", "aria-label": `${words} ${t("book.way_remove")}`,
      onclick: () => after(ask({ title: t("book.way_remove_ask"), body: h("p", {}, words), yes: t("book.way_remove"), bad: true, act: () => service.unlink(each.provider).then(() => true) })) }, t("book.way_remove")));
}

function moreWays() {
  const have = new Set(me().links.map((each) => each.provider));
  const others = providers.filter((each) => !have.has(each.id));
  if (!others.length) return null;
  return h("div", { class: "stack-s" }, h("p", { class: "soft" }, t("book.way_more_text")), h("p", { class: "row" }, others.map((each) => {
    const button = h("button", { class: "button button-second", type: "button", onclick: () => after(busy(button, async () => {
      location.assign(await service.link(each.id, PAGES.account));
      return null;
    })) }, t("book.way_more", { name: theirs(each.name) }));
    return button;
  })));
}

function device(each) {
  return h("li", { class: "card booking-line" },
    h("div", {}, h("h3", {}, each.device || t("book.device_unknown")),
      h("p", { class: "soft small" }, each.current ? t("book.device_this") : t("book.last_used", { time: ago(each.seenAt, nowS()) }))),
    !each.current && h("button", { class: "button button-quiet", type: "button", onclick: () => after(service.endSession(each.id).then(() => true)) }, t("ui.sign_out")));
}

function signOut() {
  const button = (code, everywhere) => {
    const made = h("button", { class: "button button-second", type: "button", onclick: () => after(busy(made, async () => {
      await service.signOut(everywhere);
      location.assign(PAGES.search);
      return null;
    })) }, t(code));
    return made;
  };
  return h("p", { class: "row" }, button("ui.sign_out", false), sessions.length > 1 && button("book.sign_out_everywhere", true));
}

function deleting() {
  return h("p", {}, h("button", { class: "button button-bad", type: "button", onclick: () => after(ask({
    title: t("book.delete_ask"), body: h("p", {}, t("book.delete_text")), yes: t("book.delete_yes"), bad: true,
    act: async () => {
      await service.deleteAccount();
      location.assign(PAGES.search);
      return true;
    },
  }).then(() => null)) }, t("book.delete_yes")));
}

/** Shows what became of a change; who signed in long ago is asked to do so once more. */
async function after(work) {
  try {
    if ((await work) === null) return;
    sessions = await service.sessions();
    await refresh();
    told = alert("good", t("book.saved"));
  } catch (error) {
    told = error.code === "SIGN_IN_AGAIN"
      ? problemBox(error, h("p", {}, h("a", { class: "button", href: `${signInFirst(PAGES.account)}&again=1` }, t("ui.sign_in"))))
      : problemBox(error);
  }
  shell.draw();
  window.scrollTo(0, 0);
}
