// Book a room, hand out its key link, and the staff's list of bookings.

import { Failure, get, post } from "./api.js";
import { el, keyed, options, say, setText, tell } from "./dom.js";
import { dateInput, dayOf, fromInputs, range, t, timeInput } from "./i18n.js";

const LENGTHS_MIN = [15, 30, 60, 120, 180];
const DAY_S = 86400;
const DAYS_AHEAD = 28;
const STEP_MIN = 5;
const FEW_ROWS = 6;

export function makeBooking(section, townNow, phone) {
  const form = makeForm(townNow, phone);
  const ticket = makeTicket(phone);
  const list = makeList(townNow, ticket);
  form.onBooked = (booking, room) => ticket.show(booking.key_link, room, booking);
  section.append(
    el("h2", { id: "book-title", t: "book.title" }),
    el("p", { class: "section-lead", t: "book.lead" }), form.node, ticket.node, list.node);
  return {
    update(picture, now) {
      form.update(picture, now);
      ticket.update(picture, now);
      list.update(picture, now);
    },
  };
}

function field(id, key, input) {
  input.id = id;
  return el("div", { class: `field field-${id}` }, el("label", { for: id, t: key }), input);
}

/** Selects rather than date inputs: the same words and 24 hours in every browser. */
function makeStart() {
  const date = el("select", { id: "date" });
  const hour = el("select", { id: "hour", "data-t-label": "book.hour" });
  const minute = el("select", { id: "minute", "data-t-label": "book.minute" });
  const isTouched = { now: false };
  for (const each of [date, hour, minute]) each.addEventListener("change", () => (isTouched.now = true));
  const two = (number) => String(number).padStart(2, "0");
  const numbers = (count, step) => Array.from({ length: count }, (_, index) => two(index * step));
  options(hour, numbers(24, 1).map((value) => ({ value, label: value })));
  options(minute, numbers(60 / STEP_MIN, STEP_MIN).map((value) => ({ value, label: value })));
  const update = (now) => {
    const days = Array.from({ length: DAYS_AHEAD }, (_, index) => now + index * DAY_S);
    options(date, days.map((day) => ({ value: dateInput(day), label: dayOf(day) })));
    if (isTouched.now) return;
    date.value = dateInput(now);
    [hour.value, minute.value] = timeInput(Math.floor(now / (STEP_MIN * 60)) * STEP_MIN * 60).split(":");
  };
  return {
    date, update,
    time: el("div", { class: "time", role: "group", "data-t-label": "book.time" }, hour, el("span", { "aria-hidden": "true" }, ":"), minute),
    at: () => fromInputs(date.value, `${hour.value}:${minute.value}`),
    midnight: () => fromInputs(date.value, "00:00"),
    forget: () => (isTouched.now = false),
  };
}

function makeForm(townNow, phone) {
  const room = el("select", { lang: "ja" });
  const start = makeStart();
  const length = el("select", {});
  const name = el("input", { type: "text", autocomplete: "off", maxlength: 60, required: true, lang: "ja" });
  const submit = el("button", { class: "primary", t: "book.submit" });
  const problem = el("p", { class: "problem", role: "alert" });
  const taken = el("p", { class: "taken" });
  const made = { node: null, onBooked: () => {}, update: null };
  let isNamed = false;
  let isRoomChosen = false;
  name.addEventListener("input", () => (isNamed = true));
  room.addEventListener("change", () => (isRoomChosen = true));
  const showTaken = () => tellTaken(taken, room.value, start.midnight(), townNow());
  for (const input of [room, start.date]) input.addEventListener("change", showTaken);

  const book = async (event) => {
    event.preventDefault();
    setText(problem, "");
    submit.disabled = true;
    say(submit, "book.busy");
    try {
      const wanted = readForm(room, start, length, name);
      const booking = await post("/api/bookings", wanted);
      made.onBooked({ ...wanted, ...booking }, room.selectedOptions[0]?.textContent ?? "");
      start.forget();
    } catch (failure) {
      tell(problem, failure.words());
    } finally {
      submit.disabled = false;
      say(submit, "book.submit");
      showTaken();
    }
  };
  made.node = el("form", { class: "book-form", novalidate: true, on: { submit: book } },
    field("room", "book.room", room), field("name", "book.name", name),
    field("date", "book.date", start.date),
    el("div", { class: "field field-time" }, el("label", { for: "hour", t: "book.time" }), start.time),
    field("length", "book.length", length), taken, el("div", { class: "field-submit" }, submit), problem);
  made.update = (picture, now) => {
    const before = room.value + start.date.value;
    options(room, picture.rooms.filter((each) => each.room_id).map(roomChoice));
    options(length, LENGTHS_MIN.map(lengthChoice));
    if (!length.dataset.set) length.value = "60";
    length.dataset.set = "yes";
    start.update(now);
    if (!isNamed) name.value = phone.person();
    if (!isRoomChosen) room.value = freeRoom(picture, start.at(), Number(length.value) * 60) ?? room.value;
    if (room.value + start.date.value !== before) showTaken();
  };
  return made;
}

/** A room with a lock that nobody has booked then: a first booking should succeed. */
function freeRoom({ rooms, bookings }, from, lengthS) {
  const isTaken = ({ room_id: id }) => bookings.some((each) => each.room_id === id
    && each.status !== "cancelled" && each.starts_at < from + lengthS && from < each.ends_at);
  return rooms.find((each) => each.room_id && each.lock_id && !isTaken(each))?.room_id;
}

function roomChoice(room) {
  return { value: room.room_id, label: room.lock_id ? room.name : t("book.nolockroom", { name: room.name }) };
}

function lengthChoice(minutes) {
  const isHours = minutes % 60 === 0;
  const label = isHours ? t("book.hours", { n: minutes / 60 }) : t("book.minutes", { n: minutes });
  return { value: String(minutes), label };
}

function readForm(room, start, length, name) {
  const startsAt = start.at();
  if (!room.value) throw new Failure({ code: "NO_ROOM" });
  if (startsAt === null) throw new Failure({ code: "NO_TIME" });
  if (!name.value.trim()) throw new Failure({ code: "NO_NAME" });
  return {
    room_id: room.value, starts_at: startsAt, ends_at: startsAt + Number(length.value) * 60,
    holder_name: name.value.trim(),
  };
}

async function tellTaken(node, roomId, midnight, now) {
  if (!roomId || midnight === null) return setText(node, "");
  try {
    const path = `/api/rooms/${encodeURIComponent(roomId)}/bookings`;
    const body = await get(`${path}?from=${midnight}&to=${midnight + DAY_S}`);
    const rows = (Array.isArray(body) ? body : body.bookings ?? []).filter((each) => Number.isFinite(each.starts_at));
    const times = rows.filter((each) => each.status !== "cancelled")
      .map((each) => range(each.starts_at, each.ends_at, midnight)).join(t("time.comma"));
    setText(node, times ? `${t("book.taken")}: ${times}` : t("book.free"));
  } catch {
    setText(node, ""); // the notice at the top says that the service is away
  }
}

function makeTicket(phone) {
  const head = el("p", { class: "ticket-head" });
  const what = el("p", { class: "ticket-what", lang: "ja" });
  const link = el("input", { type: "text", readonly: true, id: "key-link", class: "link" });
  const copied = el("span", { class: "copied", role: "status" });
  const copy = el("button", { type: "button", class: "secondary", t: "book.copy", on: { click: () => copyLink(link, copied) } });
  const toPhone = el("button", { type: "button", class: "primary", on: { click: () => phone.take(link.value, true) } });
  const node = el("div", { class: "ticket", hidden: true, role: "group", "aria-labelledby": "ticket-head" }, head, what,
    el("label", { for: "key-link", t: "book.link" }), el("div", { class: "link-row" }, link, copy), copied,
    el("p", { class: "hint", t: "book.linknote" }), toPhone);
  head.id = "ticket-head";
  let shown = null;
  const update = (_picture, now) => {
    if (shown?.starts_at) setText(what, `${shown.room}　${range(shown.starts_at, shown.ends_at, now)}`);
    say(toPhone, "book.tophone", { name: phone.person() });
  };
  const show = (keyLink, room, booking) => {
    shown = { ...booking, room };
    say(head, "book.done");
    link.value = keyLink ?? "";
    setText(copied, "");
    node.hidden = false;
    node.scrollIntoView({ block: "nearest" });
    toPhone.focus({ preventScroll: true });
  };
  return { node, update, show };
}

async function copyLink(link, copied) {
  try {
    await navigator.clipboard.writeText(link.value);
    say(copied, "book.copied");
  } catch {
    link.select(); // no permission: selected, ready for Ctrl+C
  }
}

function makeList(townNow, ticket) {
  const none = el("p", { class: "empty", t: "book.listnone" });
  const rows = el("ul", { class: "bookings" });
  const said = el("p", { class: "list-said", role: "status" });
  let isLong = false;
  let again = () => {};
  const more = el("button", { type: "button", class: "quiet more", on: { click: () => again(isLong = !isLong) } });
  const node = el("details", { class: "all-bookings" }, el("summary", { t: "book.list" }), none, rows, more, said);
  const update = (picture, now) => {
    again = () => update(picture, now);
    const rooms = new Map(picture.rooms.map((room) => [room.room_id, room.name]));
    const shown = isLong ? picture.bookings : picture.bookings.slice(0, FEW_ROWS);
    none.hidden = picture.bookings.length > 0;
    more.hidden = picture.bookings.length <= FEW_ROWS;
    more.setAttribute("aria-expanded", String(isLong));
    say(more, isLong ? "record.less" : "record.more", { n: picture.bookings.length - FEW_ROWS });
    keyed(rows, shown, (each) => each.booking_id, () => makeRow(said, ticket),
      (row, booking) => row.update(booking, rooms.get(booking.room_id) ?? "", now));
  };
  return { node, update };
}

function makeRow(said, ticket) {
  let booking, room;
  const when = el("span", { class: "when" });
  const where = el("span", { class: "where", lang: "ja" });
  const who = el("span", { class: "who", lang: "ja" });
  const tag = el("span", { class: "tag" });
  const act = async (what) => {
    try {
      const answer = await post(`/api/bookings/${encodeURIComponent(booking.booking_id)}/${what}`);
      if (what === "cancel") say(said, "book.iscancelled");
      else ticket.show(answer.key_link, room, booking);
    } catch (failure) {
      tell(said, failure.words());
    }
  };
  const issue = el("button", { type: "button", class: "quiet", t: "book.newlink", on: { click: () => act("key-link") } });
  const cancel = el("button", { type: "button", class: "quiet", t: "book.cancel", on: { click: () => act("cancel") } });
  const node = el("li", {}, el("div", { class: "booking-what" }, when, where, who, tag),
    el("div", { class: "hand-row" }, issue, cancel));
  const update = (next, roomName, now) => {
    [booking, room] = [next, roomName];
    setText(when, range(next.starts_at, next.ends_at, now));
    setText(where, roomName);
    setText(who, next.holder_name);
    const key = tagOf(next, now);
    tag.hidden = !key;
    if (key) say(tag, key);
    tag.classList.toggle("tag-good", key === "book.nowon");
    issue.hidden = cancel.hidden = next.status === "cancelled" || next.ends_at <= now;
  };
  return { node, update };
}

function tagOf(booking, now) {
  if (booking.status === "cancelled") return "book.cancelled";
  if (booking.status === "pending") return "book.pending";
  if (booking.ends_at <= now) return "book.over";
  return booking.starts_at <= now ? "book.nowon" : null;
}
