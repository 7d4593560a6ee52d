// The service worker from the page's side: starts it, and asks it to hand in what was carried.

const ADDRESS = "/sw.js";
export const CARRY = "carry";

/** The one address that this page makes a script of; anything else is refused. */
function scriptAddress() {
  const policy = globalThis.trustedTypes?.createPolicy("kannuki", {
    createScriptURL: (url) => {
      if (url !== ADDRESS) throw new TypeError("not our worker");
      return url;
    },
  });
  return policy ? policy.createScriptURL(ADDRESS) : ADDRESS;
}

/** Starts the worker; without one the page works as long as there is signal. */
export async function startWorker() {
  if (!navigator.serviceWorker) return;
  try {
    await navigator.serviceWorker.register(scriptAddress(), { scope: "/" });
  } catch (error) {
    if (!(error instanceof DOMException)) throw error; // switched off, or a private window
  }
}

/** Hands in what was carried, now or, where the browser can wait for signal, later. */
export async function wakeWorker() {
  const registration = await navigator.serviceWorker?.getRegistration("/");
  if (!registration) return;
  const worker = registration.active ?? registration.waiting ?? registration.installing;
  worker?.postMessage(CARRY);
  try {
    await registration.sync?.register(CARRY);
  } catch {
    return; // not allowed to wait: the next visit hands it in
  }
}
