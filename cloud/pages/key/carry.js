// What this phone carries between the town and a lock: fetched while there is signal, kept for when
// there is none, handed in when it is back (sw.js). Decides nothing about what a lock takes.

import { toBase64url } from "../protocol/bytes.js";
import { EitherTown, FetchTown, parseDocuments, StoredTown } from "../protocol/carrying.js";
import { ProtocolError } from "../protocol/errors.js";
import { request } from "../protocol/http.js";

const TOWN_WITHIN_MS = 4000; // somebody stands at the door
const FRESH_S = 600;

/** The town for one lock, as protocol/opening.js wants it: asked where it can be, else remembered. */
export function townFor(store, record, lockId, hasNetwork) {
  const far = new StoredTown({
    documents: null,
    keep: (item) => keep(store, record, lockId, item),
  });
  far.documents = async () => (await kept(store, lockId)) ?? { status: null, others: {} };
  if (!hasNetwork || !record.ticket) return far;
  return new EitherTown(new FetchTown({ lockId, ticket: record.ticket, fetch: hurried }), far);
}

/** Fetches the newest documents for the locks of these keys, where the kept ones are old. */
export async function prefetch(store, records, now) {
  for (const { ticket, credentials } of records) {
    for (const { lockId } of ticket ? credentials : []) {
      const held = await store.documents(lockId);
      if (held && now - held.fetchedAt < FRESH_S) continue;
      await fetchOnce(store, lockId, ticket, now);
    }
  }
}

async function fetchOnce(store, lockId, ticket, now) {
  try {
    const told = await request("GET", `/v1/locks/${lockId}/documents`, { ticket });
    parseDocuments(told, lockId); // what is no document is not kept
    await store.putDocuments(lockId, told, now);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
}

async function kept(store, lockId) {
  const held = await store.documents(lockId);
  return held ? parseDocuments(held.told, lockId) : null;
}

function keep(store, { ticket }, lockId, item) {
  if (item.kind === "head") {
    return store.addToOutbox(lockId, "heads", ticket, { seq: item.seq, hash: toBase64url(item.hash) });
  }
  const body = { parcel: toBase64url(item.parcel), seal: toBase64url(item.seal) };
  return store.addToOutbox(lockId, "parcels", ticket, body);
}

function hurried(url, options) {
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(TOWN_WITHIN_MS)]);
  return fetch(url, { ...options, signal });
}
