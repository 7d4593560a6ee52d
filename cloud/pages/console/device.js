// This computer's own key: made once, never exported, kept in IndexedDB. A staff key is wrapped for
// it, so a copied answer of the service opens nothing.

import { devicePublicKey, makeDeviceKey } from "../protocol/keywrap.js";

const DATABASE = "kannuki-desk", STORE = "keys", NAME = "device";

/** {pair, publicKey}: the same every time on this computer, as long as its storage is kept. */
export async function deviceKey() {
  const database = await opened();
  try {
    const pair = (await kept(database)) ?? (await keep(database, await makeDeviceKey()));
    return { pair, publicKey: await devicePublicKey(pair) };
  } finally {
    database.close();
  }
}

function opened() {
  const asked = indexedDB.open(DATABASE, 1);
  asked.onupgradeneeded = () => asked.result.createObjectStore(STORE);
  return answer(asked);
}

function kept(database) {
  return answer(database.transaction(STORE).objectStore(STORE).get(NAME));
}

/** Another window may have been quicker: the first one stays. */
async function keep(database, pair) {
  try {
    await answer(database.transaction(STORE, "readwrite").objectStore(STORE).add(pair, NAME));
    return pair;
  } catch (error) {
    if (error?.name !== "ConstraintError") throw error;
    return kept(database);
  }
}

function answer(asked) {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = (event) => {
      event.preventDefault();
      reject(asked.error);
    };
  });
}
