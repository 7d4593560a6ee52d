// How one booking is shown: its state, what to do next, its key. For the list and for its own page.

import { h, replace } from "../shared/dom.js";
import { badge, busy, facts, icon, note, people, problemBox, yen } from "../shared/parts.js";
import { t } from "../shared/texts.js";
import { dayAndClock, iso, span } from "../shared/time.js";
import { isPlainHold, nextStep, paymentStanding, standing } from "./booking_flow.js";
import * as service from "./service.js";
import { to } from "./ways.js";

export function badges(booking, nowS) {
  const state = standing(booking, nowS), money = paymentStanding(booking);
  return h("p", { class: "row badges" }, badge(state.kind, t(state.code)), money && badge(money.kind, t(money.code)));
}

export function whenWords(booking) {
  return h("time", { datetime: iso(booking.startsAt), class: "when" }, span(booking.startsAt, booking.endsAt, { year: true }));
}

/** The booking as the next one: large, with its key. */
export function nextCard(booking, nowS) {
  return h("article", { class: "card card-first stack next-card", "aria-labelledby": `b-${booking.id}` },
    badges(booking, nowS),
    h("h2", { id: `b-${booking.id}` }, h("a", { href: to("booking", { id: booking.id }) }, booking.room.name)),
    h("p", { class: "next-when" }, whenWords(booking)),
    booking.facility && h("p", { class: "soft" }, icon("place"), " ", booking.facility.name),
    doNext(booking, nowS),
    h("div", { class: "row" }, keyButton(booking, nowS), goOn(booking, nowS), h("a", { class: "button button-second", href: to("booking", { id: booking.id }) }, t("book.details"))));
}

export function line(booking, nowS) {
  return h("li", { class: "booking-line card" },
    h("div", { class: "stack-s" },
      h("h3", {}, h("a", { href: to("booking", { id: booking.id }) }, booking.room.name)),
      h("p", {}, whenWords(booking)), badges(booking, nowS)),
    keyButton(booking, nowS, "button button-second"));
}

export function doNext(booking, nowS) {
  const code = nextStep(booking, nowS);
  if (!code) return null;
  return h("p", { class: "do-next" }, t(code, { fee: yen(booking.outstanding ?? booking.fee ?? 0), time: booking.payUntil ? dayAndClock(booking.payUntil) : "" }));
}

/** Why a clerk looks at it, in the words of the rules. */
export function why(booking) {
  if (booking.status !== "pending" || !booking.reasons.length) return null;
  return note("wait", t("book.because"),
    h("ul", { class: "reasons" }, booking.reasons.map((each) => h("li", {}, t(each)))),
    h("p", {}, t("book.pending_next")));
}

/** The way on for a booking that is not finished: back to the form, or to the payment. */
export function goOn(booking, nowS) {
  if (booking.endsAt <= nowS) return null;
  if (isPlainHold(booking)) return h("p", {}, h("a", { class: "button", href: to("reserve", { hold: booking.id, people: booking.people ?? 1 }) }, t("book.continue")));
  if (booking.paymentState !== "pending" || !["held", "confirmed"].includes(booking.status)) return null;
  const told = h("div", { class: "wide" });
  const button = h("button", { class: "button button-big", type: "button", onclick: async () => {
    try {
      location.assign(await busy(button, () => service.pay(booking)));
    } catch (error) {
      replace(told, problemBox(error));
    }
  } }, icon("yen"), t("book.pay_now"));
  return [button, told];
}

/** "鍵を開く": fetches a link to the key page and goes there; says why when it cannot. */
export function keyButton(booking, nowS, looks = "button button-big") {
  if (!booking.hasKey || booking.endsAt <= nowS) return null;
  const told = h("div", { class: "wide" });
  const button = h("button", { class: looks, type: "button", onclick: async () => {
    try {
      const address = await busy(button, () => service.keyLink(booking));
      location.assign(address);
    } catch (error) {
      replace(told, problemBox(error));
    }
  } }, icon("key"), t("book.open_key"));
  return [button, told];
}

export function details(booking) {
  return facts([
    [t("book.when"), whenWords(booking)],
    [t("book.facility"), booking.facility?.name],
    [t("book.address"), booking.facility?.address],
    [t("book.purpose"), booking.purpose],
    [t("book.people"), booking.people && people(booking.people)],
    [t("book.who_for"), booking.group?.name],
    [t("book.fee"), booking.fee !== null && yen(booking.fee)],
    [t("book.paid"), booking.paid > 0 && yen(booking.paid)],
    [t("book.refund"), booking.refundDue > 0 && yen(booking.refundDue)],
    [t("book.part_pay"), booking.method && !["free", "exempt", "external"].includes(booking.method) && t(`book.method_${booking.method}`)],
    [t("book.number"), h("span", { class: "mono" }, booking.id)],
  ]);
}
