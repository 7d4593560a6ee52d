/**
 * What a phone carries between the town and a lock while it is there: time, documents, records.
 * Mirrors simulator/phone/carrying.py; docs/adr/0014.
 *
 *   new FetchTown({lockId, ticket, base = "", withinMs})     the town's service, with signal
 *   new StoredTown({documents, keep})                        without: what was kept before
 *   new EitherTown(first, second)                            the second when the first is far
 *   parseDocuments(json, lockId) -> Documents                the answer of GET .../documents
 *   deliver(town, kept) -> [what is still to be delivered]   what a StoredTown kept, later
 *   isWithdrawn(documents, credential) -> Promise of whether the list at hand withdraws this key: a
 *                                            hint for its owner; the lock decides
 *
 * A town has: signedTime(nonce) -> document; documents() -> Documents; takeParcel(parcel, seal);
 * noteHead(seq, hash); all may throw TransportError. Documents are {status, others}: plain data
 * that IndexedDB keeps as it is. `keep(item)` gets {kind: "parcel", parcel, seal} and {kind:
 * "head", seq, hash}; it may return a promise; when it fails, the errands stop with NOT_KEPT.
 *
 * Decides when carrying is worth it: the time before a second try, when the lock is in doubt and
 * the town's own word says that the key is good now; the rest after an opening. All of it is signed
 * or sealed by others; carrying it wrong opens nothing. A town that cannot be reached is no fault,
 * and signed time cannot be kept: it answers one nonce.
 */

import { fromBase64url, isBytes, toBase64url } from "./bytes.js";
import { FormError, ProtocolError, TransportError } from "./errors.js";
import { isUint } from "./forms.js";
import { request } from "./http.js";
import * as lockstate from "./lockstate.js";
import * as session from "./session.js";
import * as signedtime from "./signedtime.js";
import * as statuslist from "./statuslist.js";
import * as tokens from "./token.js";

export const PIECE_BYTES = 1024; // of a status list; a lock holds one piece in memory
export const RECORDS_AT_ONCE = 8;
export const PARCELS = 3;

const TOWN_WITHIN_MS = 4_000; // somebody stands at the door
const DOCUMENTS_FIRST_MS = 1_500;

const TIME_MAY_HELP = ["TIME_UNKNOWN", "NOT_YET_VALID", "EXPIRED"];
const WHOLE = new Map([
  ["keyset", session.REQUEST_KEYSET],
  ["config", session.REQUEST_CONFIG],
  ["ack", session.REQUEST_ACK],
]);
const { OK } = session;

/** What `runErrands` tells when there was nothing to do. */
export function nothingCarried() {
  return { head: false, documents: [], status: false, parcels: 0, stopped: null };
}

/**
 * Present; if the lock's clock is the hindrance, bring the time and present once more.
 *
 * Throws TransportError until the lock has answered; afterwards its last answer stands.
 */
export async function present(conversation, command, town = null) {
  const result = await conversation.present(command);
  if (town === null || !result.authentic || !TIME_MAY_HELP.includes(result.code)) return result;
  try {
    conversation.tell("time");
    if (await bringTime(conversation, town)) return await conversation.present(command);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
  return result;
}

/**
 * After an opening: tell where the journal stood, bring documents, take records home.
 *
 * Resolves to {head, documents: [kind], status, parcels, stopped: code of the first hindrance or
 * null}; never rejects for what lock or town do. The link serves the lock alone: a slow town is
 * waited for beside it, and records are handed in when it is closed, `withinMs` at the latest.
 */
export async function runErrands(conversation, result, town, withinMs) {
  const done = nothingCarried();
  const trying = attempts(done);
  const clock = hourglass(() => conversation.close(), withinMs);
  const head = trying(() => tellHead(town, result.head, done));
  const documents = Promise.resolve().then(() => town.documents());
  documents.catch(() => {}); // told below
  const parcels = [];
  await trying(async () => {
    // Receipts first, where the town is quick: then no record is taken home twice.
    const quick = await Promise.race([documents, conversation.sleep(DOCUMENTS_FIRST_MS)]);
    if (quick) await bringDocuments(conversation, quick, done);
    await fetchParcels(conversation, parcels);
    if (!quick) await bringDocuments(conversation, await clock.bound(documents), done);
  });
  clock.stop();
  conversation.close();
  await head;
  await trying(() => handIn(town, parcels, done));
  return done;
}

/** Runs a step; of those that fail the first one's code is noted, and the next step is tried. */
function attempts(done) {
  return async (step) => {
    try {
      await step();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      done.stopped ??= error.code;
    }
  };
}

function hourglass(whenOver, ms) {
  let timer;
  const over = new Promise((_, reject) => {
    timer = setTimeout(() => {
      whenOver();
      reject(new TransportError("TIMEOUT", "the next visit carries it"));
    }, ms);
  });
  over.catch(() => {});
  return { bound: (work) => Promise.race([work, over]), stop: () => clearTimeout(timer) };
}

async function tellHead(town, head, done) {
  if (head === null) return;
  await town.noteHead(head.seq, head.hash);
  done.head = true;
}

async function handIn(town, parcels, done) {
  for (const [parcel, seal] of parcels) {
    await town.takeParcel(parcel, seal);
    done.parcels += 1;
  }
}

/** Whether the lock took a time at which the key is good. */
async function bringTime(conversation, town) {
  const document = await town.signedTime(conversation.challenge.nonce);
  const { answer } = signedtime.parse(document);
  const { token } = conversation.credential;
  if (answer.t < token.notBefore || answer.t >= token.expiresAt) return false;
  return (await conversation.ask(session.REQUEST_TIME, document)).reason === OK;
}

async function bringDocuments(conversation, found, done) {
  const { keyset, config, status: held } = conversation.challenge.versions;
  const versions = { keyset, config };
  for (const [what, operation] of WHOLE) {
    const row = found.others[what];
    if (row === undefined || row.version <= (versions[what] ?? -1)) continue;
    if ((await conversation.ask(operation, row.document)).reason === OK) done.documents.push(what);
  }
  const { status } = found;
  if (status !== null && status.version > held) {
    done.status = await bringStatus(conversation, status, held);
  }
}

/** The difference if there is one to what the lock holds, else piece by piece. */
async function bringStatus(conversation, status, held) {
  if (status.additions !== null && status.baseVersion === held) {
    const delta = [status.document, held, status.additions];
    if ((await conversation.ask(session.REQUEST_STATUS_DELTA, delta)).reason === OK) return true;
  }
  for (let at = 0; at === 0 || at < status.entries.length; at += PIECE_BYTES) {
    const part = [status.document, at, status.entries.slice(at, at + PIECE_BYTES)];
    if ((await conversation.ask(session.REQUEST_STATUS_PART, part)).reason !== OK) return false;
  }
  return true;
}

/** The oldest records that the town has not acknowledged, a few parcels of them. */
async function fetchParcels(conversation, parcels) {
  const { reason, value: state } = await conversation.ask(session.REQUEST_STATE, null);
  if (reason !== OK || !(state instanceof Map)) return;
  const acked = state.get(lockstate.STATE_ACKED_SEQ);
  const oldest = state.get(lockstate.STATE_OLDEST_SEQ);
  const last = state.get(lockstate.STATE_HEAD_SEQ);
  if (![acked, oldest, last].every(Number.isSafeInteger)) return;
  let from = Math.max(acked + 1, oldest);
  for (let left = PARCELS; left > 0 && from <= last; left -= 1, from += RECORDS_AT_ONCE) {
    const answer = await conversation.ask(session.REQUEST_AUDIT, [from, RECORDS_AT_ONCE]);
    if (answer.reason !== OK || !isParcel(answer.value)) return;
    parcels.push(answer.value);
  }
}

function isParcel(value) {
  return Array.isArray(value) && value.length === 2 && value.every((part) => isBytes(part));
}

// --- towns ---

/** The town's service for the lock of one ticket. */
export class FetchTown {
  #lockId;
  #ticket;
  #base;
  #fetch;
  #withinMs;

  constructor({ lockId, ticket, base = "", fetch, withinMs = TOWN_WITHIN_MS }) {
    this.#withinMs = withinMs;
    this.#lockId = lockId;
    this.#ticket = ticket;
    this.#base = base;
    this.#fetch = fetch;
  }

  async signedTime(nonce) {
    const answer = await this.#call("POST", "time", { nonce: toBase64url(nonce) });
    return fromBase64url(answer.document);
  }

  async documents() {
    return parseDocuments(await this.#call("GET", "documents"), this.#lockId);
  }

  async takeParcel(parcel, seal) {
    await this.#call("POST", "parcels", { parcel: toBase64url(parcel), seal: toBase64url(seal) });
  }

  async noteHead(seq, hash) {
    if (!Number.isSafeInteger(seq) || seq < 1) return; // nothing that the town could note
    await this.#call("POST", "heads", { seq, hash: toBase64url(hash) });
  }

  #call(method, what, body) {
    const url = `${this.#base}/v1/locks/${this.#lockId}/${what}`;
    const ports = { ticket: this.#ticket, fetch: this.#fetch, withinMs: this.#withinMs };
    return request(method, url, { body, ...ports });
  }
}

/**
 * What is at hand with no signal. `documents`: as `parseDocuments` gave them, null, or a function
 * that fetches them from where they are kept.
 */
export class StoredTown {
  #documents;
  #keep;

  constructor({ documents = null, keep = () => {} } = {}) {
    this.#documents = documents;
    this.#keep = keep;
  }

  async signedTime() {
    throw new TransportError("OFFLINE", "signed time answers one nonce and cannot be kept");
  }

  async documents() {
    const found = this.#documents;
    const held = typeof found === "function" ? await stored(found) : found;
    return held ?? { status: null, others: {} };
  }

  async takeParcel(parcel, seal) {
    await stored(() => this.#keep({ kind: "parcel", parcel, seal }));
  }

  async noteHead(seq, hash) {
    await stored(() => this.#keep({ kind: "head", seq, hash }));
  }
}

async function stored(work) {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ProtocolError) throw error;
    throw new TransportError("NOT_KEPT", error?.message ?? "");
  }
}

/**
 * The first town, or the second when the first fails; one of these for one visit, because a first
 * that was far once is not asked, and waited for, again.
 */
export class EitherTown {
  #first;
  #second;
  #isFar = false;

  constructor(first, second) {
    this.#first = first;
    this.#second = second;
  }

  signedTime(nonce) {
    return this.#try((town) => town.signedTime(nonce));
  }

  documents() {
    return this.#try((town) => town.documents());
  }

  takeParcel(parcel, seal) {
    return this.#try((town) => town.takeParcel(parcel, seal));
  }

  noteHead(seq, hash) {
    return this.#try((town) => town.noteHead(seq, hash));
  }

  async #try(call) {
    if (this.#isFar) return call(this.#second);
    try {
      return await call(this.#first);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#isFar ||= error.code === "OFFLINE";
      return call(this.#second);
    }
  }
}

/**
 * Hand over what was kept. Resolves to what is to be tried again: all from the first item on that
 * did not get through. What the town refuses for good (it has a code of its own) is dropped.
 */
export async function deliver(town, kept) {
  for (const [at, item] of kept.entries()) {
    try {
      if (item.kind === "parcel") await town.takeParcel(item.parcel, item.seal);
      else await town.noteHead(item.seq, item.hash);
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      if (AGAIN.includes(error.code)) return kept.slice(at);
    }
  }
  return [];
}

const AGAIN = ["OFFLINE", "REFUSED", "FAULT", "TIMEOUT", "TOO_MANY"];

export async function isWithdrawn(documents, credential) {
  if (!documents?.status) return false;
  try {
    const { signed, token } = tokens.parse(credential.token);
    const { header } = statuslist.parse(documents.status.document);
    const list = await statuslist.inMemory(header, documents.status.entries);
    return list.revokes(token.cti, signed.kid, token.audience, token.issuedAt);
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw error;
  }
}

/** The newest documents for a lock, from the town's JSON; FormError when they are not that. */
export function parseDocuments(json, lockId) {
  if (json === null || typeof json !== "object" || json.lock_id !== lockId) throw new FormError();
  const others = {};
  for (const what of WHOLE.keys()) {
    const row = json[what];
    if (row === null || row === undefined) continue;
    others[what] = { version: versionIn(row), document: fromBase64url(row.document) };
  }
  return { status: json.status == null ? null : statusIn(json.status), others };
}

function statusIn(row) {
  const hasDelta = row.additions != null && row.base_version != null;
  return {
    version: versionIn(row),
    document: fromBase64url(row.document),
    entries: fromBase64url(row.entries),
    baseVersion: hasDelta && isUint(row.base_version) ? row.base_version : null,
    additions: hasDelta ? fromBase64url(row.additions) : null,
  };
}

function versionIn(row) {
  if (row === null || typeof row !== "object" || !isUint(row.version)) throw new FormError();
  return row.version;
}
