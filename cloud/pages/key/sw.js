// Keeps the page working without signal, and hands in what the phone carried once there is some.
//
// The server puts `PRECACHE = {version, files}` before this text (cloud/web/key_pages.py): every
// file of the page under one version, so another version is another cache, whole. Answers of the
// town (/v1/) are never kept, and an address's fragment never reaches a worker: no secret is here.
// The outbox is the page's (store.js): change the two together.
"use strict";

const CACHE = `kannuki-key-${PRECACHE.version}`;
const FILES = new Set(PRECACHE.files);
const PAGE = "/";
const CARRY = "carry";
const DROPPED = [400, 401, 403, 404, 409, 410, 413, 422]; // the town will never take it

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches.open(CACHE).then((cache) =>
      cache.addAll(PRECACHE.files.map((file) => new Request(file, { cache: "reload" })))
    ).then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  const isOld = (name) => name.startsWith("kannuki-key-") && name !== CACHE;
  event.waitUntil(
    caches.keys()
      .then((names) => Promise.all(names.filter(isOld).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (request.mode === "navigate" && isPage(url.pathname)) event.respondWith(kept(PAGE, request));
  else if (FILES.has(url.pathname)) event.respondWith(kept(url.pathname, request));
});

const isPage = (path) => path === PAGE || /^\/d\/[a-z2-7]{8}\/?$/.test(path);

async function kept(path, request) {
  const cache = await caches.open(CACHE);
  return (await cache.match(path)) ?? fetch(request);
}

// ---- carrying home

self.addEventListener("sync", (event) => {
  if (event.tag === CARRY) event.waitUntil(carryHome());
});

self.addEventListener("message", (event) => {
  if (event.data === CARRY) event.waitUntil(carryHome().catch(() => {})); // no signal: next time
});

let underWay = null;

function carryHome() {
  underWay ??= handIn().finally(() => {
    underWay = null;
  });
  return underWay;
}

async function handIn() {
  const database = await openOutbox();
  if (database === null) return;
  try {
    for (const [id, item] of await entries(database)) {
      const answer = await deliver(item);
      if (!answer.ok && !DROPPED.includes(answer.status)) throw new Error(`HTTP ${answer.status}`);
      await done(database.transaction("outbox", "readwrite"), (outbox) => outbox.delete(id));
    }
  } finally {
    database.close();
  }
}

function deliver({ lockId, what, ticket, body }) {
  return fetch(`/v1/locks/${lockId}/${what}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${ticket}` },
    credentials: "omit",
    body: JSON.stringify(body),
  });
}

/** The page's store, or null where the page has not made it yet. */
function openOutbox() {
  return new Promise((resolve) => {
    const request = indexedDB.open("kannuki-key", 1);
    request.onupgradeneeded = () => request.transaction.abort();
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => resolve(null);
  });
}

async function entries(database) {
  const found = [];
  await done(database.transaction("outbox"), (outbox) => {
    outbox.openCursor().onsuccess = (event) => {
      const cursor = event.target.result;
      if (!cursor) return;
      found.push([cursor.key, cursor.value]);
      cursor.continue();
    };
  });
  return found;
}

function done(transaction, act) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
    act(transaction.objectStore("outbox"));
  });
}
