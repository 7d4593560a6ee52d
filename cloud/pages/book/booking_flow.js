// The way from a chosen time to a booking, and what a booking of mine lets me do.
//
// Decides what a form lacks, how long a hold lasts, in which words a booking stands, and what comes
// first in a list. Draws nothing, asks nothing, reads no clock: `nowS` is the service's time. The
// service decides everything again; here it is only said beforehand.

const MAX_PURPOSE = 200;
const MAX_NAME = 100;
const ENDED = new Set(["cancelled", "declined", "expired"]);

/** The service's clock, learned from its answers: a device's own may be wrong by hours. */
export function serviceClock(deviceNow) {
  let ahead = 0;
  return {
    heard(serviceNowS) {
      if (Number.isFinite(serviceNowS)) ahead = serviceNowS - deviceNow();
    },
    now: () => deviceNow() + ahead,
  };
}

/** A hold at this moment: seconds left, whether it is time to warn, whether it is over. */
export function holdStanding(holdUntil, nowS) {
  const left = Math.max(0, holdUntil - nowS);
  return { left, over: left <= 0, hurry: left > 0 && left <= 120 };
}

/** The moment to speak up: a countdown that is read out every second would be no help. */
export function spokenAt(leftBefore, leftNow) {
  return [300, 120, 60, 0].find((limit) => leftBefore > limit && leftNow <= limit) ?? null;
}

export function emptyForm({ people = 1, name = "", method = null, category = "resident" } = {}) {
  return { name, contact: "", purpose: "", people: String(people), category, groupId: "", method, holders: [], forFamily: false };
}

/** What a form lacks, by field: codes of texts. Empty: it can be sent. */
export function wrongIn(form, { capacity = null, holdersMax = 10, methods = [] }) {
  const wrong = {};
  const purpose = form.purpose.trim();
  if (!purpose) wrong.purpose = "book.wrong_purpose";
  else if (purpose.length > MAX_PURPOSE) wrong.purpose = "book.wrong_purpose_long";
  const people = Number(form.people);
  if (!/^\d{1,5}$/.test(form.people.trim()) || people < 1) wrong.people = "book.wrong_people";
  else if (capacity !== null && people > capacity) wrong.people = "book.wrong_people_many";
  if (!form.name.trim()) wrong.name = "book.wrong_name";
  if (methods.length && !methods.includes(form.method)) wrong.method = "book.wrong_method";
  form.holders.forEach(({ name }, index) => {
    if (!name.trim()) wrong[`holder-${index}`] = "book.wrong_holder";
    else if (name.trim().length > MAX_NAME) wrong[`holder-${index}`] = "book.wrong_holder_long";
  });
  if (form.holders.length > holdersMax - 1) wrong.holders = "book.wrong_holders_many";
  return wrong;
}

/** The next of the list, those to come after it, and what is over or called off. */
export function sorted(bookings, nowS) {
  const live = bookings.filter((each) => !ENDED.has(each.status) && each.endsAt > nowS);
  live.sort((a, b) => a.startsAt - b.startsAt);
  const gone = bookings.filter((each) => !live.includes(each));
  gone.sort((a, b) => b.startsAt - a.startsAt);
  return { next: live[0] ?? null, later: live.slice(1), past: gone };
}

/** How a booking stands: the kind of its badge and the code of its word. */
export function standing(booking, nowS) {
  const over = booking.endsAt <= nowS;
  switch (booking.status) {
    case "confirmed":
      if (over) return { kind: "", code: "book.state_over" };
      if (booking.startsAt <= nowS) return { kind: "good", code: "book.state_running" };
      return { kind: "good", code: "book.state_confirmed" };
    case "pending": return { kind: "wait", code: "book.state_pending" };
    case "held": return { kind: "wait", code: "book.state_held" };
    case "declined": return { kind: "bad", code: "book.state_declined" };
    case "cancelled": return { kind: "", code: "book.state_cancelled" };
    default: return { kind: "", code: "book.state_expired" };
  }
}

/** How the money stands, or null where there never was any to pay. */
export function paymentStanding(booking) {
  const codes = {
    settled: ["good", "book.pay_settled"], exempt: ["good", "book.pay_exempt"],
    external: ["", "book.pay_external"], counter: ["wait", "book.pay_counter"],
    invoice: ["info", "book.pay_invoice"], pending: ["wait", "book.pay_pending"],
    refund_due: ["info", "book.pay_refund_due"], refunded: ["", "book.pay_refunded"],
  };
  if (!booking.fee && ["settled", "pending"].includes(booking.paymentState)) return null;
  const found = codes[booking.paymentState];
  return found ? { kind: found[0], code: found[1] } : null;
}

/** A room that is only kept while somebody fills in the form. */
export function isPlainHold(booking) {
  return booking.status === "held" && !booking.fee;
}

/** What a person should do next about a booking: the code of a sentence, or null for nothing. */
export function nextStep(booking, nowS) {
  if (ENDED.has(booking.status) || booking.endsAt <= nowS) return null;
  if (booking.status === "pending") return "book.do_wait";
  if (isPlainHold(booking)) return "book.do_continue";
  if (booking.paymentState === "pending") return "book.do_pay_online";
  if (booking.paymentState === "counter") return booking.hasKey ? "book.do_pay_counter_later" : "book.do_pay_counter";
  if (booking.paymentState === "invoice" && !booking.hasKey) return "book.do_pay_invoice";
  return booking.hasKey ? "book.do_key" : null;
}

/** Until when something may be done (a moment before the start), and whether that is still so. */
export function deadline(until, nowS) {
  return { until, open: until !== null && nowS < until };
}
