// How one booking is shown: its state, what to do next, its key. For the list and for its own page.

import { h, replace } from "../shared/dom.js";
import { ask, badge, busy, facts, icon, note, people, problemBox, yen } from "../shared/parts.js";
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
    keyButton(booking, nowS, "button button-second") ?? goOn(booking, nowS));
}

export function doNext(booking, nowS) {
  const code = nextStep(booking, nowS);
  if (!code) return null;
  return h("p", { class: "do-next" }, t(code, { fee: yen(booking.outstanding ?? booking.fee ?? 0), time: booking.holdUntil ? dayAndClock(booking.holdUntil) : "" }));
}

/** Why a clerk looks at it, in the words of the rules. */
export function why(booking) {
  if (booking.status !== "pending" || !booking.reasons.length) return null;
  return note("wait", t("book.because"),
    h("ul", { class: "reasons" }, booking.reasons.map((each) => h("li", {}, each.words()))),
    h("p", {}, t("book.pending_next")));
}

/** The way on for a booking that is not finished: back to the form, or to the payment. */
export function goOn(booking, nowS) {
  if (booking.endsAt <= nowS) return null;
  if (isPlainHold(booking)) return h("p", {}, h("a", { class: "button", href: to("reserve", { hold: booking.id, people: booking.people ?? 1 }) }, t("book.continue")));
  if (!booking.canPay) return null;
  const told = h("div", { class: "wide" });
  const button = h("button", { class: booking.hasKey ? "button button-second" : "button button-big", type: "button", onclick: async () => {
    try {
      location.assign(await busy(button, () => service.pay(booking)));
    } catch (error) {
      replace(told, problemBox(error));
    }
  } }, icon("yen"), t("book.pay_now"));
  return [button, told];
}

/**
 * "鍵を開く". A link that is made anew may end what another device has, so one that was fetched on
 * this device before is not made again: its key page remembers the key. What is remembered here is
 * that it was fetched, never the link's secret.
 */
export function keyButton(booking, nowS, looks = "button button-big") {
  if (!booking.hasKey || booking.endsAt <= nowS) return null;
  const told = h("div", { class: "wide" });
  const fetchLink = async () => {
    const address = await service.keyLink(booking);
    remember(booking, address);
    return address;
  };
  const guarded = (work) => async () => {
    try {
      const address = await work();
      if (address) location.assign(address);
    } catch (error) {
      replace(told, problemBox(error));
    }
  };
  const page = remembered(booking);
  if (!page) {
    const button = h("button", { class: looks, type: "button", onclick: guarded(() => busy(button, fetchLink)) }, icon("key"), t("book.open_key"));
    return [button, told];
  }
  const again = () => ask({ title: t("book.new_link_ask"), body: h("p", {}, t("book.new_link_means")), yes: t("book.new_link_yes"), act: fetchLink });
  return [
    h("a", { class: looks, href: page }, icon("key"), t("book.open_key")),
    h("button", { class: "button button-quiet", type: "button", onclick: guarded(again) }, t("book.new_link")), told];
}

const PLACE = "kannuki-key-pages";

function remembered(booking) {
  try {
    return JSON.parse(localStorage.getItem(PLACE) ?? "{}")[booking.id] ?? null;
  } catch {
    return null; // storage is off or holds something else: the link is made anew
  }
}

function remember(booking, address) {
  const page = new URL(address);
  try {
    const pages = JSON.parse(localStorage.getItem(PLACE) ?? "{}");
    const newest = Object.entries({ ...pages, [booking.id]: `${page.origin}${page.pathname}` }).slice(-50);
    localStorage.setItem(PLACE, JSON.stringify(Object.fromEntries(newest)));
  } catch {
    return; // storage is off: next time the link is made anew
  }
}

export function details(booking) {
  return facts([
    [t("book.when"), whenWords(booking)],
    [t("book.facility"), booking.facility?.name],
    [t("book.address"), booking.facility?.address],
    [t("book.phone"), booking.facility?.phone && h("a", { href: `tel:${booking.facility.phone.replace(/[^+\d]/g, "")}` }, booking.facility.phone)],
    [t("book.where"), booking.room.about],
    [t("book.your_name"), booking.holderName],
    [t("book.purpose"), booking.purpose],
    [t("book.people"), booking.people && people(booking.people)],
    [t("book.who_for"), booking.group?.name],
    [t("book.fee"), booking.fee !== null && yen(booking.fee)],
    [t("book.fee_less"), booking.percent > 0 && t("book.percent_less", { n: booking.percent })],
    [t("book.paid"), booking.paid > 0 && yen(booking.paid)],
    [t("book.refund"), booking.refundDue > 0 && yen(booking.refundDue)],
    [t("book.pay_refunded"), booking.refunded > 0 && yen(booking.refunded)],
    [t("book.part_pay"), booking.method && !["free", "exempt", "external"].includes(booking.method) && t(`book.method_${booking.method}`)],
    [t("book.number"), h("span", { class: "mono" }, booking.id)],
  ]);
}
