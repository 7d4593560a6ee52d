// Passkeys: the browser's part of signing in and of registering one (WebAuthn level 3).
//
// The service sends options as JSON and takes the answer's JSON; bytes travel as base64url. Nothing
// here decides who somebody is. A person who closes the browser's own window gets a sentence, too.

import { call } from "../shared/api.js";
import { t } from "../shared/texts.js";

import { creationOptions, credentialJson, requestOptions } from "./webauthn_json.js";

/** The browser, or the person, did not give a passkey. */
export class NoPasskey extends Error {
  constructor(code) {
    super(code);
    this.name = "NoPasskey";
    this.code = code;
  }

  words() {
    return t(this.code);
  }
}

export function canPasskeys() {
  return typeof window.PublicKeyCredential === "function";
}

/** Signs in with whichever passkey of this site the person picks; who they are. */
export async function signIn() {
  const { options } = await call("POST", "/v1/staff/session/challenge");
  const credential = await given(() => navigator.credentials.get({ publicKey: requestOptions(options) }));
  return call("POST", "/v1/staff/session/assert", { credential: credentialJson(credential) });
}

/** Registers a passkey of this device, with an invitation or signed in; who they are. */
export async function register(label, invite = null) {
  const asked = invite === null ? {} : { invite };
  const { options } = await call("POST", "/v1/staff/passkeys/challenge", asked);
  const credential = await given(() => navigator.credentials.create({ publicKey: creationOptions(options) }));
  return call("POST", "/v1/staff/passkeys/register", { credential: credentialJson(credential), label, ...asked });
}

async function given(ask) {
  if (!canPasskeys()) throw new NoPasskey("desk.passkey.absent");
  let credential;
  try {
    credential = await ask();
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    throw new NoPasskey(error.name === "InvalidStateError" ? "desk.passkey.known" : "desk.passkey.not_given");
  }
  if (credential === null) throw new NoPasskey("desk.passkey.not_given");
  return credential;
}
