/**
 * The device's side of claiming a key (cloud/keywrap.py, docs/spec/wire.md section 10; claim.json).
 *
 *   makeDeviceKey() -> CryptoKeyPair      P-256 ECDH, the private half cannot be exported;
 *                                         both halves can be kept in IndexedDB as they are
 *   devicePublicKey(pair) -> 65 bytes     uncompressed: `device_key` of POST /v1/keys/claim
 *   unwrap({serverKey, wrappedProofKey}, rawToken, devicePrivateKey) -> CryptoKey
 *                                         HMAC-SHA256, not extractable, ["sign"]
 *   credentialOf(row, devicePrivateKey) -> {lockId, token, key} of one row of `credentials`
 *
 * Throws KeyWrapError for what was not wrapped for this device and token, BytesError for garbage.
 * The proof key's bytes are never seen by any script: unwrapKey hands out a key that can only sign.
 */

import { concat, fromBase64url, isBytes, utf8 } from "./bytes.js";
import { BytesError, KeyWrapError, ProtocolError } from "./errors.js";
import { isLockId } from "./token.js";

export { KeyWrapError };
export const POINT_BYTES = 65;
export const WRAPPED_BYTES = 48; // 32 of the key, 16 of the tag

const CURVE = { name: "ECDH", namedCurve: "P-256" };
const LABEL = "kannuki-claim";
const NONCE = new Uint8Array(12); // each wrapping key serves once

export function makeDeviceKey() {
  return crypto.subtle.generateKey(CURVE, false, ["deriveBits"]);
}

export async function devicePublicKey(pair) {
  return new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
}

export async function unwrap({ serverKey, wrappedProofKey }, rawToken, devicePrivateKey) {
  if (!isBytes(serverKey, POINT_BYTES) || !isBytes(wrappedProofKey, WRAPPED_BYTES)) {
    throw new KeyWrapError("not a wrapped key");
  }
  try {
    const shared = await agree(serverKey, devicePrivateKey);
    const wrappingKey = await derive(shared, rawToken);
    return await crypto.subtle.unwrapKey(
      "raw",
      wrappedProofKey,
      wrappingKey,
      { name: "AES-GCM", iv: NONCE },
      { name: "HMAC", hash: "SHA-256" },
      false,
      ["sign"],
    );
  } catch (error) {
    if (error instanceof ProtocolError || error instanceof DOMException) {
      throw new KeyWrapError(error.name);
    }
    throw error;
  }
}

export async function credentialOf(row, devicePrivateKey) {
  if (row === null || typeof row !== "object" || !isLockId(row.lock_id)) {
    throw new BytesError("not a credential");
  }
  const token = fromBase64url(row.token);
  const wrapped = {
    serverKey: fromBase64url(row.server_key),
    wrappedProofKey: fromBase64url(row.wrapped_proof_key),
  };
  return { lockId: row.lock_id, token, key: await unwrap(wrapped, token, devicePrivateKey) };
}

/** What HKDF binds the wrapping key to: this token and nothing else. */
export async function wrappingInfo(rawToken) {
  return concat(utf8(LABEL), new Uint8Array(await crypto.subtle.digest("SHA-256", rawToken)));
}

async function agree(serverKey, devicePrivateKey) {
  const peer = await crypto.subtle.importKey("raw", serverKey, CURVE, false, []);
  return crypto.subtle.deriveBits({ name: "ECDH", public: peer }, devicePrivateKey, 256);
}

async function derive(shared, rawToken) {
  const secret = await crypto.subtle.importKey("raw", shared, "HKDF", false, ["deriveKey"]);
  const info = await wrappingInfo(rawToken);
  const how = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info };
  return crypto.subtle.deriveKey(how, secret, { name: "AES-GCM", length: 256 }, false, [
    "unwrapKey",
  ]);
}
