// One booking: how it stands and why, its key, who holds keys, its money, changing and cancelling.

import { h, replace } from "../shared/dom.js";
import { alert, ask, field, icon, note, yen } from "../shared/parts.js";
import { t } from "../shared/texts.js";
import { dayAndClock, span } from "../shared/time.js";
import { badges, details, doNext, goOn, keyButton, why } from "./booking_card.js";
import { deadline, isPlainHold } from "./booking_flow.js";
import { nowS, startPage } from "./frame.js";
import * as service from "./service.js";
import { to } from "./ways.js";

const query = new URLSearchParams(location.search);
let booking = null, keys = null, fresh = query.get("new") === "1", said = query.get("changed") === "1" ? "changed" : null;

async function fetchIt() {
  booking = await service.booking(query.get("id") ?? "");
  keys = isPlainHold(booking) ? null : await service.holders(booking);
}

await startPage({
  current: "my", needsPerson: true,
  load: fetchIt,
  draw(main, shell) {
    const now = nowS();
    const title = h("h1", { class: "page-title" }, fresh ? t(freshTitle()) : booking.room.name);
    replace(main, h("div", { class: "stack-l" },
      title,
      said && alert("good", said === "changed" ? t("book.changed") : said), notAdded(),
      h("div", { class: "pair pair-wide" }, h("div", { class: "stack-l" }, h("section", { class: "card card-first stack", "aria-label": booking.room.name },
        badges(booking, now),
        fresh && h("h2", {}, booking.room.name),
        h("p", { class: "next-when" }, span(booking.startsAt, booking.endsAt, { year: true })),
        doNext(booking, now), h("div", { class: "row" }, keyButton(booking, now), goOn(booking, now)),
        booking.hasKey && h("p", { class: "hint" }, t("book.key_hint"))),
      why(booking), declined(),
      h("section", { class: "stack", "aria-labelledby": "d" }, h("h2", { id: "d" }, t("book.details")), h("div", { class: "card" }, details(booking)))),
      h("div", { class: "stack-l" }, holders(main, shell), changing(main, shell, now))),
      h("p", { class: "row no-print" }, h("a", { class: "button button-quiet", href: to("my") }, icon("back"), t("book.nav_my")),
        h("button", { class: "button button-quiet", type: "button", onclick: () => window.print() }, icon("print"), t("ui.print")))));
    document.title = `${title.textContent} | ${t("book.site")}`;
    if (fresh) shell.arrive(title);
  },
});

/** Key holders that could not be added while booking: named in the address of this page. */
function notAdded() {
  const names = query.getAll("not-added");
  return fresh && names.length ? alert("warn", t("book.not_added", { names: names.join(", ") })) : null;
}

function freshTitle() {
  if (booking.status === "pending") return "book.done_pending";
  return booking.status === "confirmed" ? "book.done_confirmed" : "book.done_waiting";
}

function declined() {
  if (booking.status !== "declined") return null;
  return note("bad", t("book.state_declined"), booking.note && h("p", {}, booking.note), h("p", {}, t("book.declined_next")));
}

function holders(main, shell) {
  if (!keys || (keys.most < 1 && !keys.list.length)) return null;
  const isOpen = ["pending", "confirmed"].includes(booking.status) && booking.endsAt > nowS();
  return h("section", { class: "stack", "aria-labelledby": "k" }, h("h2", { id: "k" }, t("book.part_keys")),
    h("p", { class: "soft" }, t("book.keys_hint")),
    h("ul", { class: "plain-list holders" },
      h("li", { class: "holder-line" }, icon("person"), h("span", {}, booking.holderName), h("span", { class: "soft small" }, t("book.holder_first"))),
      keys.list.map((each) => h("li", { class: "holder-line" }, icon("person"),
        h("span", {}, each.name, each.contact && h("span", { class: "soft small block" }, each.contact)),
        isOpen && h("button", { class: "button button-quiet", type: "button", "aria-label": t("book.holder_remove", { n: each.name }), onclick: () => removeHolder(shell, each) }, icon("close"))))),
    isOpen && keys.list.length < keys.most && h("p", {}, h("button", { class: "button button-second", type: "button", id: "holder-more", onclick: () => addHolder(main, shell) }, t("book.holder_more"))));
}

function changing(main, shell, now) {
  const change = deadline(booking.changeUntil, now), cancel = deadline(booking.cancelUntil, now);
  if (!["held", "pending", "confirmed"].includes(booking.status) || booking.endsAt <= now) return null;
  return h("section", { class: "stack no-print", "aria-labelledby": "c" }, h("h2", { id: "c" }, t("book.change_or_cancel")),
    h("div", { class: "row" },
      change.open && h("a", { class: "button button-second", href: to("change", { id: booking.id }) }, icon("calendar"), t("book.change_time")),
      cancel.open && h("button", { class: "button button-bad", type: "button", id: "cancel", onclick: () => cancelIt(main, shell) }, t("book.cancel"))),
    h("ul", { class: "deadlines soft" },
      h("li", {}, change.open ? t("book.change_until", { time: dayAndClock(change.until) }) : t("book.change_over")),
      h("li", {}, cancel.open ? t("book.cancel_until", { time: dayAndClock(cancel.until) }) : t("book.cancel_over"))));
}

async function cancelIt(main, shell) {
  const done = await ask({
    title: t("book.cancel_ask"), bad: true, yes: t("book.cancel_yes"), no: t("book.cancel_no"),
    body: h("div", { class: "stack-s" }, h("p", {}, `${booking.room.name} ${span(booking.startsAt, booking.endsAt)}`), h("p", {}, t("book.cancel_means")), money()),
    act: () => service.cancel(booking),
  });
  if (!done) return;
  await changed(shell, t("book.cancelled"), "h1");
}

/** What cancelling now costs or gives back. */
function money() {
  if (!booking.fee) return null;
  const kept = booking.keptIfCancelled;
  if (booking.paid > kept) return h("p", {}, t("book.cancel_back", { fee: yen(booking.paid - kept) }));
  return h("p", {}, kept ? t("book.cancel_owed", { fee: yen(kept) }) : t("book.cancel_free"));
}

async function addHolder(main, shell) {
  const [name, contact] = ["name", "email"].map((autofill) => h("input", { class: "input", maxlength: "100", autocomplete: "off", type: autofill === "email" ? "email" : "text" }));
  const done = await ask({
    title: t("book.holder_more"), yes: t("book.holder_add"),
    body: h("div", { class: "stack" },
      field({ id: "holder-name", label: t("book.holder_name"), must: true }, name),
      field({ id: "holder-contact", label: t("book.holder_contact"), hint: t("book.holder_hint") }, contact)),
    act: async () => {
      if (!name.value.trim() || !contact.checkValidity()) {
        (name.value.trim() ? contact : name).setAttribute("aria-invalid", "true");
        (name.value.trim() ? contact : name).focus();
        return undefined;
      }
      return service.addHolder(booking, { name: name.value, contact: contact.value });
    },
  });
  if (done) await changed(shell, t("book.holder_added"), "holder-more");
}

async function removeHolder(shell, holder) {
  const done = await ask({
    title: t("book.holder_remove", { n: holder.name }), body: h("p", {}, t("book.holder_remove_means")), yes: t("book.way_remove"), bad: true,
    act: () => service.removeHolder(booking, holder).then(() => true),
  });
  if (done) await changed(shell, t("book.saved"), "holder-more");
}

/** Shows the booking as the service has it now, says what was done, and keeps the focus near. */
async function changed(shell, words, focus) {
  [said, fresh] = [words, false];
  await fetchIt();
  shell.draw();
  const target = document.getElementById(focus) ?? document.querySelector("h1");
  if (target.tagName === "H1") target.setAttribute("tabindex", "-1");
  target.focus();
}
