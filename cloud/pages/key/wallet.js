// Collects keys from the town and keeps them in step with it.
//
// Decides what is remembered of a claim and what an answer of the town means for a key held here.
// Each link has a device key of its own, made before the first request and kept until the key is
// forgotten: asking again, also after a lost answer, is the same device. A proof key is unwrapped
// into a CryptoKey that can only sign; no script ever sees its bytes.
// `call` is shared/api.js, `now` is given; reads no clock.

import { toBase64url, toHex } from "../protocol/bytes.js";
import { credentialOf, devicePublicKey, makeDeviceKey } from "../protocol/keywrap.js";
import * as tokens from "../protocol/token.js";

const SECRET = /^[A-Za-z0-9_-]{16,128}$/;
export const REFRESH_EVERY_S = 300;
const STATUS_OF = {
  BOOKING_CANCELLED: "BOOKING_CANCELLED",
  UNKNOWN_KEY: "KEY_REPLACED",
  OTHER_DEVICE: "KEY_REPLACED",
};

/** The secret of an address, or null. */
export function secretOf(hash) {
  const secret = hash.replace(/^#/, "");
  return SECRET.test(secret) ? secret : null;
}

/** What a link is known by here, so that a press needs no secret to find its key. */
export async function linkOf(secret) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(secret));
  return toHex(new Uint8Array(digest));
}

/** Collects the key of a link, or collects it again; gives the record. Throws ApiProblem, Offline. */
export async function collect(store, call, secret, now) {
  const link = await linkOf(secret);
  const pair = await deviceFor(store, link);
  const device_key = toBase64url(await devicePublicKey(pair));
  const told = await call("POST", "/v1/keys/claim", { secret, device_key });
  const record = await recordOf(told, { secret, link, pair, now });
  const before = (await store.keys()).find((key) => key.link === link || key.id === record.id);
  if (before && before.id !== record.id) await store.forget(before.id);
  if (before && before.link !== link) await store.dropDevice(before.link);
  await store.putKey(record);
  return record;
}

async function deviceFor(store, link) {
  const held = await store.device(link);
  if (held) return held.pair;
  const pair = await makeDeviceKey();
  await store.putDevice(link, pair);
  return pair;
}

/** What is kept of the town's answer; members that an older or newer town does not tell are null. */
export async function recordOf(told, { secret, link, pair, now }) {
  const credentials = [];
  for (const row of told.credentials) {
    const credential = await credentialOf(row, pair.privateKey);
    credentials.push({ ...credential, name: text(row.door ?? row.name) });
  }
  if (!credentials.length) throw new Error("a claim without a credential");
  const windows = credentials.map((each) => tokens.parse(each.token).token);
  const { booking } = told;
  return {
    id: text(booking.booking_id) ?? link.slice(0, 24),
    link,
    secret,
    ticket: text(told.relay_ticket),
    room: text(booking.room) ?? "",
    facility: text(booking.facility),
    title: text(booking.title),
    howToFind: text(booking.how_to_find ?? booking.find_text),
    phone: text(booking.phone),
    address: text(booking.address),
    words: wordsOf(booking),
    pin: text(told.pin),
    pinFrom: told.pin_from ?? null,
    pinUntil: told.pin_until ?? null,
    startsAt: booking.starts_at,
    endsAt: booking.ends_at,
    opensAt: Math.min(...windows.map((token) => token.notBefore)),
    closesAt: Math.max(...windows.map((token) => token.expiresAt)),
    credentials,
    gone: null,
    checkedAt: now,
    fingerprint: await fingerprint(credentials),
  };
}

async function fingerprint(credentials) {
  const all = credentials.map(({ token }) => toBase64url(token)).sort().join();
  return linkOf(all);
}

/** Names and the way there, by language; a language that is missing has the nearest (texts.js). */
export function wordsOf({ rooms, facilities, ways }) {
  return { room: rooms ?? {}, facility: facilities ?? {}, how_to_find: ways ?? {} };
}

const text = (value) => (typeof value === "string" && value !== "" ? value : null);

/**
 * Asks the town what became of a key; gives the record as it is now and whether it is another key.
 * What the town says for good is kept; a town that is away changes nothing.
 */
export async function refresh(store, call, record, now) {
  try {
    const fresh = await collect(store, call, record.secret, now);
    return { record: fresh, renewed: fresh.fingerprint !== record.fingerprint };
  } catch (error) {
    const gone = STATUS_OF[error?.code];
    if (gone === undefined) return { record, renewed: false, code: error?.code ?? "FAULT" };
    return { record: (await store.changeKey(record.id, { gone, checkedAt: now })) ?? record, renewed: false };
  }
}

/** What the screen may know of a record: nothing that opens anything but the PIN. */
export function cardOf(record) {
  const { id, room, facility, title, howToFind, phone, gone, words = {}, address = null } = record;
  const { pin, pinFrom = null, pinUntil = null } = record;
  const { startsAt, endsAt, opensAt, closesAt, checkedAt } = record;
  return {
    id, room, facility, title, howToFind, words, address, phone, pin, pinFrom, pinUntil, gone,
    startsAt, endsAt, opensAt, closesAt, checkedAt,
    doors: record.credentials.map(({ lockId, name }) => ({ lockId, name: name ?? null })),
    hasTicket: Boolean(record.ticket),
    hasLink: Boolean(record.secret),
  };
}
