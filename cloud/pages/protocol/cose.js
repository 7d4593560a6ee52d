/**
 * COSE_Sign1 (RFC 9052 section 4.2) with one algorithm: the envelope of tokens and documents.
 * Mirrors protocol/cose.py.
 *
 *   decode(raw) -> Signed {protected, kid, payload, signature, signedBytes(context)}; CoseError
 *   encode(kid, payload, signature) -> Uint8Array
 *   keyId(publicKey) -> Promise of 4 bytes
 *
 * It does not check the signature. A holder has no use for that: the lock does, and a page that
 * wanted to would have to know the town's keys first.
 */

import { isBytes, utf8 } from "./bytes.js";
import * as cbor from "./cbor.js";
import { CoseError, ProtocolError } from "./errors.js";

export { CoseError };
export const ALG_ED25519 = -19;
export const TAG_SIGN1 = 18;
export const SIGNATURE_BYTES = 64;
export const KID_BYTES = 4;

const HEADER_ALG = 1;
const HEADER_KID = 4;

export class Signed {
  constructor(protectedHeader, kid, payload, signature) {
    this.protected = protectedHeader;
    this.kid = kid;
    this.payload = payload;
    this.signature = signature;
  }

  /** The Sig_structure (RFC 9052 section 4.4); `context`: text, empty for tokens. */
  signedBytes(context = "") {
    return cbor.encode(["Signature1", this.protected, utf8(context), this.payload]);
  }
}

export function decode(raw) {
  try {
    return open(raw);
  } catch (error) {
    if (error instanceof ProtocolError) throw new CoseError(error.message);
    throw error;
  }
}

export function encode(kid, payload, signature) {
  need(isBytes(kid, KID_BYTES), "kid has 4 bytes");
  need(isBytes(signature, SIGNATURE_BYTES), "a signature has 64 bytes");
  const header = cbor.encode(new Map([[HEADER_ALG, ALG_ED25519], [HEADER_KID, kid]]));
  return cbor.encode(new cbor.Tag(TAG_SIGN1, [header, new Map(), payload, signature]));
}

export async function keyId(publicKey) {
  const digest = await crypto.subtle.digest("SHA-256", publicKey);
  return new Uint8Array(digest).slice(0, KID_BYTES);
}

function open(raw) {
  const item = cbor.decode(raw, [TAG_SIGN1]);
  need(item instanceof cbor.Tag && Array.isArray(item.value), "not a COSE_Sign1");
  need(item.value.length === 4, "not a COSE_Sign1");
  const [header, unprotected, payload, signature] = item.value;
  need(isBytes(header), "the protected header is a byte string");
  const kid = kidOf(cbor.decode(header));
  need(unprotected instanceof Map && unprotected.size === 0, "unexpected header");
  need(isBytes(payload), "unexpected payload");
  need(isBytes(signature, SIGNATURE_BYTES), "a signature has 64 bytes");
  return new Signed(header, kid, payload, signature);
}

function kidOf(header) {
  need(header instanceof Map && header.size === 2, "unexpected protected header");
  need(header.get(HEADER_ALG) === ALG_ED25519, "unexpected protected header");
  need(isBytes(header.get(HEADER_KID), KID_BYTES), "kid has 4 bytes");
  return header.get(HEADER_KID);
}

function need(condition, why) {
  if (!condition) throw new CoseError(why);
}
