// What the rules left to a person: the oldest first, with the reasons of the rules.

import { call } from "../shared/api.js";
import { h, replace } from "../shared/dom.js";
import { ask, facts, field, yen } from "../shared/parts.js";
import { t, theirs } from "../shared/texts.js";
import { ago, span } from "../shared/time.js";

import { may } from "./rights.js";
import { routeTo } from "./routes.js";
import { now } from "./when.js";

export async function show(main, desk) {
  const waiting = await call("GET", "/v1/staff/waiting");
  desk.count("approvals", waiting.length);
  const heading = h("h1", {}, t("desk.nav.approvals"));
  replace(main, h("div", { class: "head" }, heading, h("p", { class: "soft" }, t("desk.approvals.count", { n: waiting.length }))),
    waiting.length ? h("div", { class: "rooms" }, waiting.map((each) => card(desk, each)))
      : h("p", { class: "empty" }, t("desk.approvals.none")));
  desk.shell.arrive(heading);
}

function card(desk, booking) {
  const allowed = may(desk.me, "booking.approve", booking.facility_id);
  return h("article", { class: "card stack-s", "aria-labelledby": `wait-${booking.booking_id}` },
    h("h2", { id: `wait-${booking.booking_id}` }, h("a", { href: routeTo("bookings", booking.booking_id) }, booking.holder_name || t("desk.nameless"))),
    h("ul", { class: "knows" }, booking.reasons.map((each) => h("li", { class: "is-waiting" }, theirs(each)))),
    facts([
      [t("desk.booking.when"), span(booking.starts_at, booking.ends_at)],
      [t("desk.room"), booking.room],
      [t("desk.booking.group"), booking.group?.name],
      [t("desk.booking.purpose"), booking.purpose],
      [t("desk.booking.people"), booking.people === null ? "" : t("ui.people", { n: booking.people })],
      [t("desk.booking.payment"), yen(booking.payment.fee_yen)],
      [t("desk.approvals.asked"), ago(booking.created_at, now())],
    ]),
    allowed && h("div", { class: "row" },
      h("button", { class: "button", type: "button", onclick: () => decide(desk, booking, "approve") }, t("desk.deed.approve")),
      h("button", { class: "button button-bad", type: "button", onclick: () => decide(desk, booking, "decline") }, t("desk.deed.decline"))));
}

async function decide(desk, booking, what) {
  const isNo = what === "decline";
  const input = h("textarea", { rows: "2", maxlength: "300" });
  const done = await ask({
    title: t(`desk.deed.${what}`), yes: t(`desk.deed.${what}`), bad: isNo,
    body: h("div", { class: "stack-s" },
      h("p", {}, `${booking.holder_name} · ${booking.room} · ${span(booking.starts_at, booking.ends_at)}`),
      field({ id: "decide-words", label: t(isNo ? "desk.decline.words" : "desk.approve.words"), hint: t("desk.decline.hint"), must: isNo }, input)),
    act: () => call("POST", `/v1/staff/bookings/${booking.booking_id}/${what}`, { note: input.value.trim(), version: booking.version }),
  });
  if (!done) return;
  desk.say(t(isNo ? "desk.decline.done" : "desk.approve.done"));
  desk.draw();
}

