// What this device keeps: keys, the device key of each link, documents for locks, records to hand in.
//
// Decides names and shapes in IndexedDB. Keys are CryptoKeys that cannot be exported; nothing goes
// to localStorage or Cache Storage. Reads no clock and asks nobody. The service worker reads the
// `outbox` too (sw.js): change the two together.

export const DATABASE = "kannuki-key";
export const VERSION = 1;

/** Opens the device's store; throws where a browser has none or cannot keep a CryptoKey in it. */
export async function openStore() {
  if (!globalThis.isSecureContext || !globalThis.crypto?.subtle || !globalThis.indexedDB) {
    throw new Error("no place for keys");
  }
  const store = new Store(await open());
  await store.probe();
  return store;
}

function open() {
  const request = indexedDB.open(DATABASE, VERSION);
  request.onupgradeneeded = () => {
    const database = request.result;
    database.createObjectStore("keys", { keyPath: "id" });
    database.createObjectStore("devices", { keyPath: "link" });
    database.createObjectStore("documents", { keyPath: "lockId" });
    database.createObjectStore("outbox", { autoIncrement: true });
    database.createObjectStore("facts", { keyPath: "name" });
  };
  return answer(request);
}

function answer(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  });
}

class Store {
  #database;

  constructor(database) {
    this.#database = database;
    database.onversionchange = () => database.close();
  }

  keys() {
    return this.#all("keys");
  }

  key(id) {
    return this.#get("keys", id);
  }

  putKey(record) {
    return this.#put("keys", record);
  }

  /** Changes some members of a key that is still there; gives the new record or null. */
  async changeKey(id, change) {
    const held = await this.key(id);
    if (!held) return null;
    const record = { ...held, ...change };
    await this.putKey(record);
    return record;
  }

  /** Forgets a key, the device key of its link, and what was kept for its locks alone. */
  async forget(id) {
    const record = await this.key(id);
    if (!record) return;
    await this.#delete("keys", id);
    if (record.link) await this.#delete("devices", record.link);
    const still = new Set((await this.keys()).flatMap((key) => key.credentials.map((c) => c.lockId)));
    for (const { lockId } of record.credentials) {
      if (!still.has(lockId)) await this.#delete("documents", lockId);
    }
  }

  device(link) {
    return this.#get("devices", link);
  }

  putDevice(link, pair) {
    return this.#put("devices", { link, pair });
  }

  dropDevice(link) {
    return this.#delete("devices", link);
  }

  documents(lockId) {
    return this.#get("documents", lockId);
  }

  putDocuments(lockId, told, fetchedAt) {
    return this.#put("documents", { lockId, told, fetchedAt });
  }

  /** Something for the town: `what` is "parcels" or "heads" of /v1/locks/{lockId}/. */
  addToOutbox(lockId, what, ticket, body) {
    return this.#put("outbox", { lockId, what, ticket, body });
  }

  outbox() {
    return this.#all("outbox");
  }

  async fact(name) {
    return (await this.#get("facts", name))?.value ?? null;
  }

  putFact(name, value) {
    return this.#put("facts", { name, value });
  }

  /** Some private windows have a store that takes no CryptoKey: better to know before a claim. */
  async probe() {
    const hmac = { name: "HMAC", hash: "SHA-256", length: 256 };
    const value = await crypto.subtle.generateKey(hmac, false, ["sign"]);
    await this.putFact("probe", value);
    const kept = await this.fact("probe");
    await this.#delete("facts", "probe");
    if (!(kept instanceof CryptoKey)) throw new Error("keeps no keys");
  }

  #get(name, id) {
    return answer(this.#database.transaction(name).objectStore(name).get(id));
  }

  #all(name) {
    return answer(this.#database.transaction(name).objectStore(name).getAll());
  }

  #put(name, value) {
    return this.#write(name, (store) => store.put(value));
  }

  #delete(name, id) {
    return this.#write(name, (store) => store.delete(id));
  }

  /** Done means kept: resolves once the transaction is complete. */
  #write(name, act) {
    return new Promise((resolve, reject) => {
      const transaction = this.#database.transaction(name, "readwrite");
      act(transaction.objectStore(name));
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
      transaction.onerror = () => reject(transaction.error);
    });
  }
}
