// WebAuthn options and answers between JSON and bytes. Browsers are only now getting methods of
// their own for it (parseRequestOptionsFromJSON, toJSON), so the few members are done here. Pure.

export function toBase64url(bytes) {
  const text = String.fromCharCode(...new Uint8Array(bytes));
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

export function fromBase64url(text) {
  const raw = atob(String(text).replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(raw, (sign) => sign.charCodeAt(0));
}

/** For navigator.credentials.get. */
export function requestOptions(json) {
  return { ...json, challenge: fromBase64url(json.challenge), allowCredentials: (json.allowCredentials ?? []).map(descriptor) };
}

/** For navigator.credentials.create. */
export function creationOptions(json) {
  return {
    ...json,
    challenge: fromBase64url(json.challenge),
    user: { ...json.user, id: fromBase64url(json.user.id) },
    excludeCredentials: (json.excludeCredentials ?? []).map(descriptor),
  };
}

function descriptor(each) {
  return { ...each, id: fromBase64url(each.id) };
}

const PARTS = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];

/** What the service is sent of an authenticator's answer. */
export function credentialJson(credential) {
  const response = {};
  for (const part of PARTS) {
    const bytes = credential.response[part];
    if (bytes !== undefined && bytes !== null) response[part] = toBase64url(bytes);
  }
  if (typeof credential.response.getTransports === "function") {
    response.transports = credential.response.getTransports();
  }
  return { id: credential.id, rawId: toBase64url(credential.rawId), type: credential.type, response };
}
