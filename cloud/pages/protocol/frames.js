/**
 * Messages cut into fragments that fit one GATT write or notification, and put together again.
 * Mirrors protocol/frames.py; vectors: frames.json.
 *
 *   fragment(message, maxFragment) -> [Uint8Array]      throws FrameError
 *   new Reassembler(maxMessage).push(fragment) -> message or null; throws FrameError, starts afresh
 *
 * Header byte: bit 7 first, bit 6 last, bits 5..0 the index modulo 64. ATT keeps the order, so a
 * gap is the peer's error.
 */

import { concat } from "./bytes.js";
import { FrameError } from "./errors.js";

export { FrameError };
export const FIRST = 0x80;
export const LAST = 0x40;
export const MIN_FRAGMENT_BYTES = 20; // ATT MTU 23 less 3
export const MAX_FRAGMENT_BYTES = 509;
export const MAX_MESSAGE_BYTES = 4096;

const INDEX = 0x3f;

export function fragment(message, maxFragment) {
  if (message.length === 0 || message.length > MAX_MESSAGE_BYTES) {
    throw new FrameError("a message has 1 to 4096 bytes");
  }
  const size = Math.max(MIN_FRAGMENT_BYTES, Math.min(maxFragment, MAX_FRAGMENT_BYTES)) - 1;
  const count = Math.ceil(message.length / size);
  return Array.from({ length: count }, (_, index) => {
    const first = index === 0 ? FIRST : 0;
    const last = index === count - 1 ? LAST : 0;
    const header = Uint8Array.of(first | last | (index & INDEX));
    return concat(header, message.subarray(index * size, (index + 1) * size));
  });
}

export class Reassembler {
  constructor(maxMessage = MAX_MESSAGE_BYTES) {
    this.maxMessage = maxMessage;
    this.reset();
  }

  reset() {
    this.parts = null;
    this.size = 0;
    this.index = 0;
  }

  push(piece) {
    try {
      return this.take(piece);
    } catch (error) {
      this.reset();
      throw error;
    }
  }

  take(piece) {
    if (piece.length < 2) throw new FrameError("empty fragment");
    const header = piece[0];
    if (header & FIRST) {
      this.reset();
      this.parts = [];
    }
    if (this.parts === null || (header & INDEX) !== (this.index & INDEX)) {
      throw new FrameError("fragment out of order");
    }
    this.size += piece.length - 1;
    if (this.size > this.maxMessage) throw new FrameError("message too large");
    this.parts.push(piece.slice(1));
    this.index += 1;
    return header & LAST ? this.complete() : null;
  }

  complete() {
    const message = concat(...this.parts);
    this.reset();
    return message;
  }
}
