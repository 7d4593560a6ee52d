// My bookings: the next one first and large, then those to come, then what was.

import { h, replace } from "../shared/dom.js";
import { t } from "../shared/texts.js";
import { sorted } from "./booking_flow.js";
import { line, nextCard } from "./booking_card.js";
import { nowS, startPage } from "./frame.js";
import * as service from "./service.js";
import { to } from "./ways.js";

let bookings = [];

await startPage({
  current: "my", needsPerson: true,
  async load() {
    bookings = await service.myBookings();
  },
  draw(main) {
    const now = nowS(), { next, later, past } = sorted(bookings, now);
    document.title = `${t("book.nav_my")} | ${t("book.site")}`;
    replace(main, h("div", { class: "stack-l column" },
      h("h1", { class: "page-title" }, t("book.nav_my")),
      next ? nextCard(next, now) : nothing(),
      later.length > 0 && section("later", t("book.later"), later, now),
      past.length > 0 && h("details", {}, h("summary", {}, t("book.past", { n: past.length })), h("ul", { class: "plain-list stack" }, past.map((each) => line(each, now)))),
      next && h("p", {}, h("a", { class: "button button-second", href: to("search") }, t("book.book_more")))));
  },
});

function section(id, title, list, now) {
  return h("section", { class: "stack", "aria-labelledby": id }, h("h2", { id }, title), h("ul", { class: "plain-list stack" }, list.map((each) => line(each, now))));
}

function nothing() {
  return h("div", { class: "empty" }, h("p", {}, t("book.none_yet")), h("p", {}, h("a", { class: "button", href: to("search") }, t("book.nav_search"))));
}
