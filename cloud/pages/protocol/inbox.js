/**
 * What has arrived on a link and was not taken yet: messages in order, or why no more will come.
 *
 *   push(message)     fail(TransportError): the first one counts     clear()
 *   take(withinMs)    the next message; throws the failure, or TransportError("TIMEOUT")
 *
 * Never holds more than MOST messages: a lock answers once to each message, so more is a flood.
 */

import { TransportError } from "./errors.js";

const MOST = 16;

export class Inbox {
  #messages = [];
  #failure = null;
  #waiting = null;

  push(message) {
    if (this.#messages.length >= MOST) return;
    this.#messages.push(message);
    this.#wake();
  }

  fail(error) {
    this.#failure ??= error;
    this.#wake();
  }

  clear() {
    this.#messages = [];
    this.#failure = null;
  }

  async take(withinMs) {
    if (this.#messages.length === 0 && this.#failure === null) await this.#arrival(withinMs);
    if (this.#messages.length > 0) return this.#messages.shift();
    throw this.#failure ?? new TransportError("TIMEOUT", "the lock did not answer");
  }

  #arrival(withinMs) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#waiting = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #wake() {
    this.#waiting?.();
    this.#waiting = null;
  }
}
