// One booking: whose it is, how it stands, what its lock knows, and everything a clerk does with it.

import { call } from "../shared/api.js";
import { h, replace } from "../shared/dom.js";
import { alert, ask, badge, facts, field, note, yen } from "../shared/parts.js";
import { t, theirs } from "../shared/texts.js";
import { span } from "../shared/time.js";

import { deedsOf, knowledgeLine } from "./booking_state.js";
import { openDoor } from "./open_door.js";
import { may } from "./rights.js";
import { routeTo } from "./routes.js";
import { table } from "./table.js";
import { timeOf } from "./times.js";
import { bookingBadges } from "./today_state.js";
import { now } from "./when.js";

export async function show(main, desk, route) {
  const id = encodeURIComponent(route.id ?? "");
  const [booking, keys, story] = await Promise.all([
    call("GET", `/v1/staff/bookings/${id}`),
    call("GET", `/v1/staff/bookings/${id}/keys`),
    call("GET", `/v1/staff/bookings/${id}/story`),
  ]);
  const heading = h("h1", {}, booking.holder_name || t("desk.nameless"));
  const told = h("div", { class: "stack-s" });
  const again = () => desk.draw();
  const deeds = deedsOf(booking, keys, now(), (action) => may(desk.me, action, booking.facility_id));
  const context = { desk, booking, keys, told, again };
  replace(main,
    h("div", { class: "head" }, heading, statusBadges(booking, keys)),
    told,
    h("div", { class: "two" },
      h("div", { class: "stack" },
        h("section", { class: "card", "aria-label": t("desk.booking.facts") }, factsOf(booking)),
        booking.reasons.length > 0 && h("section", { class: "stack-s" }, h("h2", {}, t("desk.booking.reasons")),
          h("ul", {}, booking.reasons.map((each) => h("li", {}, theirs(each)))))),
      h("section", { class: "card stack-s two-beside", "aria-labelledby": "deeds-title" },
        h("h2", { id: "deeds-title" }, t("desk.deeds")),
        deeds.length ? h("div", { class: "deeds" }, deeds.map((deed) => deedButton(deed, context)))
          : h("p", { class: "soft" }, t("desk.booking.no_deeds"))),
      h("div", { class: "stack" }, holders(context), knows(keys), history(story))));
  desk.shell.arrive(heading);
}

function statusBadges(booking, keys) {
  const collected = keys.holders.some((each) => each.collected), issued = keys.holders.some((each) => each.issued);
  const line = { status: booking.status, payment_state: booking.payment.state, key: collected ? "collected" : issued ? "issued" : "none" };
  return h("div", { class: "row" }, badge(booking.status === "confirmed" ? "good" : "", t(`desk.status.${booking.status}`)),
    bookingBadges(line).filter(([, code]) => !code.startsWith("desk.status.")).map(([kind, code]) => badge(kind, t(code))));
}

function factsOf(booking) {
  const money = booking.payment;
  return facts([
    [t("desk.booking.when"), span(booking.starts_at, booking.ends_at, { year: true })],
    [t("desk.room"), [booking.facility_name && theirs(booking.facility_name), booking.room].filter(Boolean).join(" ")],
    [t("desk.booking.contact"), booking.holder_contact],
    [t("desk.booking.booker"), booking.booker_name !== booking.holder_name ? booking.booker_name : ""],
    [t("desk.booking.group"), booking.group?.name],
    [t("desk.booking.purpose"), booking.purpose],
    [t("desk.booking.people"), booking.people === null ? "" : t("ui.people", { n: booking.people })],
    [t("desk.booking.channel"), t(`desk.channel.${booking.channel}`)],
    [t("desk.booking.payment"), h("span", {}, `${t(`desk.pay.${money.state}`)} · ${yen(money.fee_yen)}`,
      money.outstanding_yen > 0 && ` · ${t("desk.booking.outstanding", { yen: yen(money.outstanding_yen) })}`,
      money.refund_due_yen > 0 && ` · ${t("desk.booking.refund_due", { yen: yen(money.refund_due_yen) })}`)],
    [t("desk.booking.key"), booking.keyed ? t("desk.booking.keyed") : t("desk.booking.not_keyed")],
    [t("desk.booking.note"), booking.decision_note],
    [t("desk.booking.number"), h("span", { class: "mono" }, booking.booking_id)],
  ]);
}

function holders({ keys }) {
  return h("section", { class: "stack-s" }, h("h2", {}, t("desk.booking.holders")), table({
    caption: t("desk.booking.holders"),
    columns: [t("desk.person_name"), t("desk.booking.key"), t("desk.booking.pin"), t("desk.booking.letter")],
    rows: keys.holders.map((each) => [each.name,
      each.collected ? badge("good", t("desk.key.collected")) : each.issued ? badge("", t("desk.key.issued")) : badge("", t("desk.key.none")),
      each.pin_told ? t("ui.yes") : t("ui.no"), t(`desk.letter.${each.letter ?? "none"}`)]),
  }));
}

/** What the lock has been told of what was withdrawn: the honest part. */
function knows(keys) {
  if (!keys.withdrawn.length) return null;
  return h("section", { class: "stack-s" }, h("h2", {}, t("desk.booking.withdrawn")),
    h("ul", { class: "knows" }, keys.withdrawn.slice(0, 10).map((each) => {
      const { code, waiting } = knowledgeLine(each);
      const holder = keys.holders.find((one) => one.holder_id === each.holder_id)?.name ?? "";
      return h("li", { class: waiting ? "is-waiting" : null }, t(code, {
        name: holder, revoked_at: timeOf(each.revoked_at),
        last_contact: each.last_contact_at === null ? t("desk.never") : timeOf(each.last_contact_at),
      }));
    })));
}

function history(story) {
  const lines = [
    ...story.actions.map((each) => [each.at, each.name, actionWords(each.action), wordsOfDetail(each.detail)]),
    ...(story.records ?? []).map((each) => [each.at, each.staff_name ?? each.holder_name ?? "",
      `${t(`desk.event.${each.event}`)}: ${resultWords(each)}`, [each.path && t(`desk.path.${each.path}`), each.staff_reason].filter(Boolean).join(" · ")]),
  ].sort((a, b) => b[0] - a[0]);
  return h("section", { class: "stack-s" }, h("h2", {}, t("desk.booking.history")), table({
    caption: t("desk.booking.history"), columns: [t("desk.time"), t("desk.who"), t("desk.what"), t("desk.detail")],
    rows: lines.map(([at, who, what, detail]) => [timeOf(at), who, what, detail]), empty: t("desk.booking.no_history"),
  }));
}

export function actionWords(action) {
  const words = t(`desk.action.${action}`);
  return words.startsWith("desk.action.") ? action : words;
}

export function resultWords(line) {
  if (line.reason) return t(`desk.reason.${line.reason}`).startsWith("desk.reason.") ? t(line.reason.endsWith("PLAIN") ? line.reason : reasonCode(line.reason)) : t(`desk.reason.${line.reason}`);
  const words = t(`desk.result.${line.result}`);
  return words.startsWith("desk.result.") ? line.result : words;
}

function reasonCode(reason) {
  return ["NOT_YET_VALID", "WRONG_LOCK"].includes(reason) ? `${reason}_PLAIN` : reason;
}

function wordsOfDetail(detail) {
  return [detail.reason, detail.note].filter((each) => typeof each === "string" && each).join(" · ");
}

// --- what a clerk does ---

const DEEDS = {
  open: ({ desk, booking, keys }) => openDoor(desk, booking, keys),
  slip: ({ desk, booking }) => desk.go("slip", booking.booking_id),
  approve: decide("approve", false), decline: decide("decline", true),
  paid: money("paid"), refunded: money("refunded"), waive, trust, reissue, change, cancel,
};

function deedButton(deed, context) {
  const kinds = { first: "button", second: "button button-second", bad: "button button-bad" };
  return h("button", { class: kinds[deed.kind], type: "button", id: `deed-${deed.name}`, onclick: () => DEEDS[deed.name](context) },
    t(`desk.deed.${deed.name}`));
}

function words(id, label, { must = false, hint } = {}) {
  const input = h("textarea", { rows: "2", maxlength: "300" });
  return { input, node: field({ id, label, must, hint }, input) };
}

async function asked(context, { title, body, yes, bad = false, deed }) {
  const done = await ask({ title, body, yes, bad, act: async () => (await deed()) ?? true });
  if (done) context.again();
  return done;
}

const post = (booking, what, body) => call("POST", `/v1/staff/bookings/${booking.booking_id}/${what}`, { version: booking.version, ...body });

function decide(what, isNo) {
  return (context) => {
    const said = words("deed-words", t(isNo ? "desk.decline.words" : "desk.approve.words"), { must: isNo, hint: t("desk.decline.hint") });
    return asked(context, {
      title: t(`desk.deed.${what}`), bad: isNo, yes: t(`desk.deed.${what}`),
      body: h("div", { class: "stack-s" }, h("p", {}, bookingWords(context.booking)), said.node),
      deed: () => post(context.booking, what, { note: said.input.value.trim() }),
    });
  };
}

function money(what) {
  return (context) => {
    const { outstanding_yen: open, refund_due_yen: due } = context.booking.payment;
    const said = words("deed-words", t("desk.money.note"));
    return asked(context, {
      title: t(`desk.deed.${what}`), yes: t(`desk.deed.${what}`),
      body: h("div", { class: "stack-s" }, h("p", {}, bookingWords(context.booking)), h("p", { class: "saved" }, yen(what === "paid" ? open : due)), said.node),
      deed: () => post(context.booking, what, { note: said.input.value.trim().slice(0, 200) }),
    });
  };
}

function waive(context) {
  const said = words("deed-words", t("desk.waive.why"), { must: true });
  return asked(context, {
    title: t("desk.deed.waive"), yes: t("desk.deed.waive"),
    body: h("div", { class: "stack-s" }, h("p", {}, bookingWords(context.booking)),
      h("p", {}, t("desk.waive.words", { yen: yen(context.booking.payment.outstanding_yen) })), said.node),
    deed: () => post(context.booking, "waive", { note: said.input.value.trim() }),
  });
}

function trust(context) {
  return asked(context, {
    title: t("desk.deed.trust"), yes: t("desk.deed.trust"), body: h("p", {}, t("desk.trust.words")),
    deed: () => post(context.booking, "trust", { pay_later: true }),
  });
}

function cancel(context) {
  const said = words("deed-words", t("desk.cancel.note"));
  return asked(context, {
    title: t("desk.deed.cancel"), yes: t("desk.deed.cancel"), bad: true,
    body: h("div", { class: "stack-s" }, h("p", {}, bookingWords(context.booking)), note("warn", t("desk.cancel.words")), said.node),
    deed: () => post(context.booking, "cancel", { note: said.input.value.trim() }),
  });
}

function change(context) {
  context.desk.go("book", context.booking.booking_id);
}

/** A lost phone: the old key dies, a new link is shown once. */
async function reissue(context) {
  const { booking, keys, told } = context;
  const who = h("select", {}, keys.holders.map((each) => h("option", { value: each.holder_id }, each.name)));
  const said = words("deed-words", t("desk.reissue.note"));
  const answer = await ask({
    title: t("desk.deed.reissue"), yes: t("desk.deed.reissue"), bad: true,
    body: h("div", { class: "stack-s" }, note("warn", t("desk.reissue.words")), field({ id: "deed-holder", label: t("desk.booking.holder") }, who), said.node),
    act: () => call("POST", `/v1/staff/bookings/${booking.booking_id}/key-link`, { holder_id: who.value, note: said.input.value.trim().slice(0, 200) }),
  });
  if (answer) replace(told, linkBox(answer.key_link, t("desk.reissue.done"), t("desk.reissue.once")));
}

/** A link that is told only now. */
export function linkBox(link, title, hint) {
  const said = h("span", { role: "status" });
  const copy = h("button", {
    class: "button button-second", type: "button",
    onclick: async () => {
      try {
        await navigator.clipboard.writeText(link);
        replace(said, t("desk.copied"));
      } catch (error) {
        if (!(error instanceof DOMException)) throw error;
        replace(said, t("desk.copy_by_hand"));
      }
    },
  }, t("desk.copy"));
  return alert("good", title, h("p", {}, hint), h("code", { class: "secret-link" }, link), h("div", { class: "row no-print" }, copy, said));
}

export function bookingWords(booking) {
  return `${booking.holder_name || t("desk.nameless")} · ${booking.room} · ${span(booking.starts_at, booking.ends_at)}`;
}

export function toBooking(booking, text) {
  return h("a", { href: routeTo("bookings", booking.booking_id) }, text);
}

