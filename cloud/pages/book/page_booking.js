// One booking: how it stands and why, its key, who holds keys, its money, changing and cancelling.

import { h, replace } from "../shared/dom.js";
import { alert, ask, busy, field, icon, note, yen } from "../shared/parts.js";
import { t } from "../shared/texts.js";
import { dayAndClock, span } from "../shared/time.js";
import { badges, details, doNext, goOn, keyButton, why } from "./booking_card.js";
import { deadline, standing } from "./booking_flow.js";
import { nowS, startPage } from "./frame.js";
import * as service from "./service.js";
import { to } from "./ways.js";

const query = new URLSearchParams(location.search);
let booking = null, fresh = query.get("new") === "1", said = null;

await startPage({
  current: "my", needsPerson: true,
  async load() {
    booking = await service.booking(query.get("id") ?? "");
  },
  draw(main, shell) {
    const now = nowS();
    const title = h("h1", { class: "page-title" }, fresh ? t(freshTitle()) : booking.room.name);
    replace(main, h("div", { class: "stack-l" },
      title,
      said && alert("good", said),
      h("div", { class: "pair pair-wide" }, h("div", { class: "stack-l" }, h("section", { class: "card card-first stack", "aria-label": booking.room.name },
        badges(booking, now),
        fresh && h("h2", {}, booking.room.name),
        h("p", { class: "next-when" }, span(booking.startsAt, booking.endsAt, { year: true })),
        doNext(booking, now), h("div", { class: "row" }, goOn(booking, now), keyButton(booking, now)),
        booking.hasKey && h("p", { class: "hint" }, t("book.key_hint"))),
      why(booking), declined(),
      h("section", { class: "stack", "aria-labelledby": "d" }, h("h2", { id: "d" }, t("book.details")), h("div", { class: "card" }, details(booking)))),
      h("div", { class: "stack-l" }, holders(main, shell), changing(main, shell, now))),
      h("p", { class: "row no-print" }, h("a", { href: to("my") }, icon("back"), t("book.nav_my")),
        h("button", { class: "button button-quiet", type: "button", onclick: () => window.print() }, icon("print"), t("ui.print")))));
    document.title = `${title.textContent} | ${t("book.site")}`;
    if (fresh) shell.arrive(title);
  },
});

function freshTitle() {
  if (booking.status === "pending") return "book.done_pending";
  return booking.status === "confirmed" ? "book.done_confirmed" : "book.done_waiting";
}

function declined() {
  if (booking.status !== "declined") return null;
  return note("bad", t("book.state_declined"), booking.note && h("p", {}, booking.note), h("p", {}, t("book.declined_next")));
}

function holders(main, shell) {
  if (!booking.holders || booking.room.holdersMax < 2) return null;
  const isOpen = standing(booking, nowS()).kind !== "" && booking.status !== "declined";
  return h("section", { class: "stack", "aria-labelledby": "k" }, h("h2", { id: "k" }, t("book.part_keys")),
    h("p", { class: "soft" }, t("book.keys_hint")),
    h("ul", { class: "plain-list holders" }, booking.holders.map((each, index) => h("li", { class: "holder-line" }, icon("person"), h("span", {}, each.name), index === 0 && h("span", { class: "soft small" }, t("book.holder_first"))))),
    isOpen && booking.holders.length < booking.room.holdersMax && h("p", {}, h("button", { class: "button button-second", type: "button", onclick: () => addHolder(main, shell) }, t("book.holder_more"))));
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
  [booking, said, fresh] = [await service.booking(booking.id), t("book.cancelled"), false];
  shell.draw();
  document.querySelector("h1").setAttribute("tabindex", "-1");
  document.querySelector("h1").focus();
}

/** What cancelling now costs or gives back. */
function money() {
  if (!booking.fee) return null;
  if (booking.paid > 0) return h("p", {}, t("book.cancel_back", { fee: yen(Math.floor((booking.paid * booking.refundPercent) / 100)) }));
  const owed = Math.floor((booking.fee * (100 - booking.refundPercent)) / 100);
  return h("p", {}, owed ? t("book.cancel_owed", { fee: yen(owed) }) : t("book.cancel_free"));
}

async function addHolder(main, shell) {
  const input = h("input", { class: "input", maxlength: "100", autocomplete: "off" });
  const done = await ask({
    title: t("book.holder_more"), yes: t("book.holder_add"),
    body: field({ id: "holder-name", label: t("book.holder_name"), hint: t("book.holder_hint") }, input),
    act: async () => {
      if (!input.value.trim()) {
        input.setAttribute("aria-invalid", "true");
        input.focus();
        return undefined;
      }
      return service.addHolder(booking, input.value.trim());
    },
  });
  if (!done) return;
  booking = await service.booking(booking.id);
  shell.draw();
  showLink(done);
}

/** The link of a new key holder is told once: copy it now, or make another. */
function showLink(holder) {
  if (!holder.link) return null;
  const shown = h("input", { class: "input mono", readonly: true, value: holder.link });
  const copied = h("p", { role: "status", class: "hint" });
  const copy = h("button", { class: "button", type: "button", onclick: () => busy(copy, async () => {
    try {
      await navigator.clipboard.writeText(holder.link);
      copied.textContent = t("book.copied");
    } catch {
      shown.select(); // no permission: the person copies by hand
    }
  }) }, t("book.copy"));
  return ask({ title: t("book.link_title", { name: holder.name }), yes: t("ui.close"), no: t("ui.back"),
    body: h("div", { class: "stack" }, h("p", {}, t("book.link_text")), field({ id: "holder-link", label: t("book.link") }, shown), copy, copied) });
}

