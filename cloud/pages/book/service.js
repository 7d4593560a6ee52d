// What the booking site asks of the town's service. The only module that knows the service's words
// for things; pages get names of ours (shapes.js). Everything throws ApiProblem or Offline.

import { ApiProblem, call } from "../shared/api.js";
import * as shapes from "./shapes.js";

const path = (...parts) => `/v1/${parts.map(encodeURIComponent).join("/")}`;
const my = (booking, ...rest) => path("my", "bookings", booking.id, ...rest);

let known = null; // facilities: asked once a page

export const town = () => call("GET", path("town"));

export function facilities() {
  known ??= call("GET", path("facilities")).then((rows) => rows.map(shapes.facility));
  known.catch(() => { known = null; });
  return known;
}

// ---- who is signed in

/** The person, or null. */
export async function me() {
  try {
    return shapes.person(await call("GET", path("me")));
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 401) return null;
    throw error;
  }
}

export const providers = async () => (await call("GET", path("sign-in", "providers"))).providers;
export const rename = (name) => call("POST", path("me", "name"), { name });
export const link = async (providerId, back) => (await call("POST", path("me", "links", providerId), { to: back })).location;
export const unlink = (providerId) => call("DELETE", path("me", "links", providerId));
export const sessions = async () => (await call("GET", path("me", "sessions"))).map(shapes.session);
export const endSession = (id) => call("DELETE", path("me", "sessions", id));
export const signOut = (everywhere) => call("POST", path("sign-out"), { everywhere });
export const deleteAccount = () => call("POST", path("me", "delete"), { confirm: true });
export const groups = async () => (await call("GET", path("my", "groups"))).map(shapes.group);

// ---- looking around

/** What is free in a facility: {dayKey: [{room, windows, open, closed}]}. `booking`: mine, to be moved. */
export async function free(facility, day, days, booking = null) {
  const query = new URLSearchParams({ day, days: String(days), facility: facility.id });
  if (booking) query.set("booking", booking.id);
  return shapes.freeByDay(await call("GET", `/v1/free?${query}`), facility);
}

export const quote = async (wish) => shapes.quote(await call("POST", path("quote"), shapes.wishBody(wish)));

/** A room and a time out of an address (?room=&from=&to=), as a hold that keeps nothing; or null. */
export async function timeOf(query) {
  const [startsAt, endsAt] = ["from", "to"].map((name) => Number(query.get(name)));
  if (!Number.isSafeInteger(startsAt) || !Number.isSafeInteger(endsAt) || endsAt <= startsAt) return null;
  for (const facility of await facilities()) {
    const room = facility.rooms.find((each) => each.id === query.get("room"));
    if (room) return { id: null, roomId: room.id, startsAt, endsAt, holdUntil: null, room, facility };
  }
  return null;
}

// ---- booking

export const hold = async (wish) => shaped(await call("POST", path("holds"), shapes.wishBody(wish)));

/** A hold of mine, also one that ran out; null when there is none, or it is booked by now. */
export async function findHold(id) {
  try {
    const found = await booking(id);
    return found.status === "held" || found.status === "expired" ? found : null;
  } catch (error) {
    if (error instanceof ApiProblem && [404, 422].includes(error.status)) return null;
    throw error;
  }
}

export const release = (held) => call("POST", my(held, "cancel"), {});

/** Books, then names the other key holders; one that cannot be added leaves the booking as it is. */
export async function book(held, form) {
  const booked = await shaped(await call("POST", path("bookings"), shapes.bookingBody(held, form)));
  const notAdded = [];
  for (const holder of held.id ? form.holders : []) {
    try {
      await addHolder(booked, holder);
    } catch (error) {
      if (typeof error.words !== "function") throw error;
      notAdded.push(holder.name);
    }
  }
  return Object.assign(booked, { notAdded });
}

// ---- what is mine

export async function myBookings() {
  const [rows, houses] = await Promise.all([call("GET", path("my", "bookings")), facilities()]);
  return rows.map((row) => shapes.booking(row, houses));
}

export const booking = async (id) => shaped(await call("GET", path("my", "bookings", id)));
export const change = async (mine, { startsAt, endsAt }) =>
  shaped(await call("POST", my(mine, "change"), { starts_at: startsAt, ends_at: endsAt, version: mine.version }));
export const cancel = async (mine) => shaped(await call("POST", my(mine, "cancel"), { version: mine.version }));
export const pay = async (mine) => (await call("POST", my(mine, "pay"))).redirect_url;
export const keyLink = async (mine) => (await call("POST", my(mine, "key-link"))).key_link;
export const holders = async (mine) => shapes.holders(await call("GET", my(mine, "holders")));
export const addHolder = (mine, { name, contact }) => call("POST", my(mine, "holders"), { name: name.trim(), contact: contact.trim() });
export const removeHolder = (mine, holder) => call("DELETE", my(mine, "holders", holder.id));

async function shaped(row) {
  return shapes.booking(row, await facilities());
}
