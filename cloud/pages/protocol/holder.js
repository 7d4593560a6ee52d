/**
 * The holder's side of a session (protocol/holder.py): what to say next, and whether the lock's
 * answer is genuine. Moves no bytes and reads no clock. Give `receive` whole messages from the
 * lock, one at a time; each call resolves to one event, and never throws for any bytes:
 *
 *   {kind: SEND, message}             pass this on to the lock
 *   {kind: WRONG_ROOM, lockId}        this door is another one than the token's; nothing was said
 *   {kind: OUTCOME, outcome}          the lock's authenticated answer
 *   {kind: REPLY, reason, value}      the lock's authenticated reply to a request
 *   {kind: ADVISORY, reason}          the lock, or anyone in between, says this; not authenticated
 *   {kind: BROKEN, why}               the answer is not genuine: close the connection
 *
 * A credential is {lockId, token: Uint8Array, key: CryptoKey}, or for a group's token
 * {token, keys: {lockId: CryptoKey} or Map}; the keys are HMAC-SHA256 and need only "sign".
 */

import { sameBytes } from "./bytes.js";
import { CredentialError, ProtocolError, SessionError } from "./errors.js";
import * as session from "./session.js";
import * as tokens from "./token.js";

export { CredentialError };
export const SEND = "send";
export const WRONG_ROOM = "wrong_room";
export const OUTCOME = "outcome";
export const REPLY = "reply";
export const ADVISORY = "advisory";
export const BROKEN = "broken";

const [START, GREETED, PRESENTED, OPEN, ASKED, WORKING, CLOSED] = [0, 1, 2, 3, 4, 5, 6];

/** A token and the proof keys that go with it, checked. */
export class Credential {
  constructor({ lockId, token, key, keys }) {
    const given = keys ?? (lockId === undefined ? {} : { [lockId]: key });
    this.keys = new Map(given instanceof Map ? given : Object.entries(given));
    for (const [id, proofKey] of this.keys) {
      if (!tokens.isLockId(id) || !(proofKey instanceof CryptoKey)) {
        throw new CredentialError("a lock id and its key go together");
      }
    }
    this.rawToken = token;
    try {
      this.token = tokens.parse(token).token;
    } catch (error) {
      if (error instanceof ProtocolError) throw new CredentialError(error.message);
      throw error;
    }
  }

  static of(given) {
    return given instanceof Credential ? given : new Credential(given);
  }
}

/** `count` bytes of the browser's cryptographic source. */
export function randomBytes(count) {
  return crypto.getRandomValues(new Uint8Array(count));
}

/** One connection, one attempt. */
export class HolderSession {
  #credential;
  #command;
  #random;
  #state = START;
  #key = null;
  #hello = null;
  #greeting = null;
  #presentation = null;
  #mac = null;
  #bound = null;
  #request = null;
  #counter = 0;

  constructor(credential, command, random = randomBytes) {
    this.challenge = null; // as session.decodeChallenge gives it, once seen
    this.#credential = Credential.of(credential);
    this.#command = command;
    this.#random = random;
  }

  /** The first message. */
  start() {
    this.#state = GREETED;
    this.#hello = session.encodeHello();
    return { kind: SEND, message: this.#hello };
  }

  /** The event that one whole message from the lock makes. */
  async receive(message) {
    const state = this.#state;
    if (state === WORKING || state === CLOSED) return this.#break("message out of turn");
    this.#state = WORKING;
    try {
      const event = await this.#take(state, message);
      // Meanwhile something came that should not have come: that was the end.
      if (this.#state !== WORKING) return this.#break("message out of turn");
      this.#state = stateAfter(event);
      return event;
    } catch (error) {
      if (error instanceof SessionError) return this.#break(error.message);
      throw error;
    }
  }

  /** Ask something of a lock whose outcome left the session open; one request at a time. */
  async request(operation, argument) {
    if (this.#state !== OPEN) throw new SessionError("no open session to ask in");
    this.#state = WORKING;
    this.#counter += 1;
    this.#request = session.encodeRequest(this.#counter, operation, argument);
    const mac = await session.requestMac(this.#key, this.#bound, this.#request);
    if (this.#state !== WORKING) throw new SessionError("the session ended meanwhile");
    this.#state = ASKED;
    return { kind: SEND, message: joined(this.#request, mac) };
  }

  async #take(state, message) {
    const [kind, body] = session.split(message);
    if (kind === session.REFUSAL) {
      return { kind: ADVISORY, reason: session.decodeRefusal(body) };
    }
    if (kind === session.CHALLENGE && state === GREETED) return this.#onChallenge(body, message);
    if (kind === session.OUTCOME && state === PRESENTED) return this.#onOutcome(message);
    if (kind === session.REPLY && state === ASKED) return this.#onReply(message);
    return this.#break("message out of turn");
  }

  async #onChallenge(body, message) {
    this.challenge = session.decodeChallenge(body);
    if (this.challenge.version !== session.WIRE_VERSION) {
      return this.#break("the lock speaks another version");
    }
    const key = this.#credential.keys.get(this.challenge.lockId);
    if (key === undefined) return { kind: WRONG_ROOM, lockId: this.challenge.lockId };
    const nonce = this.#random(session.NONCE_BYTES);
    const { rawToken } = this.#credential;
    this.#key = key;
    this.#greeting = [this.#hello, message.slice()];
    this.#presentation = session.encodePresentation(nonce, rawToken, this.#command);
    this.#mac = await session.presentationMac(key, this.#greeting, this.#presentation);
    return { kind: SEND, message: joined(this.#presentation, this.#mac) };
  }

  async #onOutcome(message) {
    const [raw, mac] = session.splitMac(message);
    const said = [this.#greeting, this.#presentation];
    if (!sameBytes(mac, await session.outcomeMac(this.#key, ...said, this.#mac, raw))) {
      return this.#break("the outcome is not from the lock");
    }
    const outcome = session.decodeOutcome(raw.slice(1));
    this.#bound = await session.transcript(...said, raw);
    return { kind: OUTCOME, outcome };
  }

  async #onReply(message) {
    const [raw, mac] = session.splitMac(message);
    if (!sameBytes(mac, await session.replyMac(this.#key, this.#bound, this.#request, raw))) {
      return this.#break("the reply is not from the lock");
    }
    const { counter, reason, value } = session.decodeReply(raw.slice(1));
    if (counter !== this.#counter) return this.#break("a reply to another request");
    return { kind: REPLY, reason, value };
  }

  #break(why) {
    this.#state = CLOSED;
    return { kind: BROKEN, why };
  }
}

/** Where a machine stands after an event of `receive`. */
function stateAfter({ kind, outcome }) {
  if (kind === SEND) return PRESENTED;
  if (kind === REPLY) return OPEN;
  return kind === OUTCOME && session.staysOpen(outcome.reason) ? OPEN : CLOSED;
}

function joined(message, mac) {
  const whole = new Uint8Array(message.length + mac.length);
  whole.set(message);
  whole.set(mac, message.length);
  return whole;
}
