/**
 * A lock reached through cloud, broker and gateway: the same bytes, over HTTP (cloud/relay.py).
 *
 *   new RelayLink({lockId, ticket, base = "", fetch})
 *   await open()                 nothing yet: the first message opens the session
 *   await send(message)          POST /v1/relay, then POST /v1/relay/{session}
 *   await receive(timeoutMs)     what the lock said to the message sent last
 *   close()                      DELETE, once; not waited for
 *
 * Throws TransportError with the town's code (GATEWAY_OFFLINE, RELAY_BUSY, RELAY_OVER, TIMEOUT ...)
 * and its `texts`, or OFFLINE. Nobody on the way can read, make or change a message.
 */

import { fromBase64url, toBase64url } from "./bytes.js";
import { ProtocolError, TransportError } from "./errors.js";
import { request } from "./http.js";
import { Inbox } from "./inbox.js";

const SESSION = /^[A-Za-z0-9_-]{1,64}$/;
const ANSWER_WITHIN_MS = 20_000;

export class RelayLink {
  relayed = true;
  answerWithinMs = ANSWER_WITHIN_MS;
  #lockId;
  #ticket;
  #base;
  #fetch;
  #session = null;
  #inbox = new Inbox();

  constructor({ lockId, ticket, base = "", fetch }) {
    this.#lockId = lockId;
    this.#ticket = ticket;
    this.#base = base;
    this.#fetch = fetch;
  }

  async open() {
    this.#inbox.clear();
  }

  async send(message) {
    const body = { message: toBase64url(message) };
    if (this.#session === null) body.lock_id = this.#lockId;
    const path = this.#session === null ? "" : `/${this.#session}`;
    const answer = await this.#call("POST", path, { body });
    if (this.#session === null) this.#session = sessionIn(answer);
    this.#inbox.push(messageIn(answer));
  }

  receive(timeoutMs = ANSWER_WITHIN_MS) {
    return this.#inbox.take(timeoutMs);
  }

  close() {
    this.#inbox.fail(new TransportError("UNREACHABLE", "the link is closed"));
    if (this.#session === null) return;
    const path = `/${this.#session}`;
    this.#session = null;
    // The gateway hangs up by itself when this does not get through.
    this.#call("DELETE", path, { keepalive: true }).catch(() => {});
  }

  #call(method, path, how) {
    const ports = { ticket: this.#ticket, fetch: this.#fetch };
    return request(method, `${this.#base}/v1/relay${path}`, { ...how, ...ports });
  }
}

function sessionIn(answer) {
  if (typeof answer.session !== "string" || !SESSION.test(answer.session)) {
    throw new TransportError("RELAY_OVER", "no session in the answer");
  }
  return answer.session;
}

function messageIn(answer) {
  try {
    return fromBase64url(answer.message);
  } catch (error) {
    if (error instanceof ProtocolError) throw new TransportError("NOT_GENUINE", error.message);
    throw error;
  }
}
