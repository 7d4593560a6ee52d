// What a clerk may do with a booking now, and what its lock knows. Pure.

const LIVE = new Set(["confirmed", "pending", "held"]);
const OPENS_BEFORE_S = 3600; // a clerk opens for somebody who is there, not for tomorrow

/** The deeds that make sense, in the order of need: [{name, kind}]. `may(action)`: here. */
export function deedsOf(booking, keys, now, may) {
  const live = LIVE.has(booking.status), over = booking.ends_at <= now;
  const confirmed = booking.status === "confirmed";
  const found = [];
  const add = (when, action, name, kind) => { if (when && may(action)) found.push({ name, kind }); };
  add(booking.status === "pending", "booking.approve", "approve", "first");
  add(booking.status === "pending", "booking.approve", "decline", "bad");
  add(confirmed && !over && booking.starts_at - OPENS_BEFORE_S <= now, "door.open", "open", "first");
  add(booking.payment.outstanding_yen > 0 && live, "booking.pay", "paid", "first");
  add(booking.payment.refund_due_yen > 0, "booking.pay", "refunded", "first");
  add(confirmed && !booking.keyed && !over, "booking.pay", "trust", "second");
  add(live && booking.payment.outstanding_yen > 0, "booking.pay", "waive", "second");
  add(confirmed && booking.keyed && !over, "key.pin", "slip", "second");
  add(confirmed && booking.keyed && !over, "key.reissue", "reissue", "second");
  add(live && !over, "booking.change", "change", "second");
  add(live && !over, "booking.change", "cancel", "bad");
  return found;
}

/** What to say of one withdrawn key or number: {code, waiting}. */
export function knowledgeLine(each) {
  const what = each.what === "pin" ? "pin" : "key";
  if (each.known_by_lock) return { code: `desk.knows.${what}_told`, waiting: false };
  return { code: `desk.knows.${what}_waiting`, waiting: true };
}
