/**
 * One attempt to open a door: the holder machine driven over any link. Start reading here.
 *
 *   import { attempt } from "/protocol/opening.js";
 *   import { BluetoothLink, support } from "/protocol/bluetooth.js";
 *   import { RelayLink } from "/protocol/relay.js";
 *   import { FetchTown } from "/protocol/carrying.js";
 *   import { COMMAND_UNLOCK, COMMAND_UNLOCK_REMOTE } from "/protocol/session.js";
 *
 *   const credential = { lockId, token, key };                // from keywrap.js, kept in IndexedDB
 *   const town = new FetchTown({ lockId, ticket });           // null with no signal
 *   const result = (await support()) === "ready"
 *     ? await attempt(new BluetoothLink(lockId), credential, COMMAND_UNLOCK, { town })
 *     : await attempt(new RelayLink({ lockId, ticket }), credential, COMMAND_UNLOCK_REMOTE);
 *   show(result.code);
 *
 * attempt(link, credential, command, options) -> Result. It opens the link, greets, presents,
 * brings the town's time when the lock's clock is the hindrance, and tells what came of it. It
 * closes the link, too. Nothing that a lock, a radio or the town does makes it throw: every
 * failure is a code.
 *
 *   options   onProgress(step): "connect", "greet", "present", "time", "confirm", "carry"
 *             town          what carrying.js offers; null or absent: nothing is brought or carried
 *             confirm       ask for the bolt until it has moved (default: not on a relayed link)
 *             errands       carry documents and records after an opening (default: the same)
 *             errandsWithinMs   how long the link is kept for that (default: 5 s)
 *             signal        AbortSignal: hang up
 *             now()         milliseconds that never run backwards; sleep(ms); random(n): for tests
 *
 *   Result    code          OPENED, LOCKED, HELD_OPEN, SYNCED, the name of a reason (reasons.js),
 *                           or of what hindered it (errors.js, bluetooth.js, relay.js)
 *             granted       whether the lock did what was asked
 *             authentic     whether the lock's own MAC vouches for the code; else it is a hint
 *             opensAt       Unix seconds, with NOT_YET_VALID; else null
 *             relockAfterMs, heldUntil   after an unlock or a hold, when the lock told; else null
 *             door          the lock id of this door, with WRONG_LOCK noticed here; else null
 *             head          {seq, hash} that the lock committed to; else null
 *             bolt          lockstate.BOLT_..., when it was asked; else null
 *             ms            from the first byte sent to the lock's authenticated answer
 *             texts         {ja, "ja-simple", en} when the town told why; else null
 *             after         Promise of what was carried (carrying.js), when the link is closed; it
 *                           never rejects. Show the result at once and let this run.
 *
 * Link: {relayed, maxFragment?, answerWithinMs?, open(), send(message), receive(timeoutMs),
 * close()}; BluetoothLink, RelayLink, or whatever a test makes.
 */

import { ProtocolError, TransportError } from "./errors.js";
import * as carrying from "./carrying.js";
import * as holder from "./holder.js";
import { BOLT_JAMMED, BOLT_UNLOCKED, STATE_BOLT } from "./lockstate.js";
import * as reasons from "./reasons.js";
import * as session from "./session.js";
import { isTime } from "./timebound.js";

const MOVED_WITHIN_MS = 4_000;
const ASK_EVERY_MS = 100;
const ERRANDS_WITHIN_MS = 5_000;
const DONE = new Map([
  [session.COMMAND_UNLOCK, "OPENED"],
  [session.COMMAND_UNLOCK_REMOTE, "OPENED"],
  [session.COMMAND_LOCK, "LOCKED"],
  [session.COMMAND_SYNC, "SYNCED"],
  [session.COMMAND_HOLD_OPEN, "HELD_OPEN"],
  [session.COMMAND_EVACUATE, "HELD_OPEN"],
]);
const NOTHING = {
  granted: false,
  authentic: false,
  opensAt: null,
  relockAfterMs: null,
  heldUntil: null,
  door: null,
  head: null,
  bolt: null,
  ms: 0,
  texts: null,
};

export async function attempt(link, credential, command, options = {}) {
  const { town = null, signal, onProgress = () => {} } = options;
  const { confirm = !link.relayed, errands = !link.relayed } = options;
  const { errandsWithinMs = ERRANDS_WITHIN_MS } = options;
  const hangUp = () => link.close();
  signal?.addEventListener("abort", hangUp, { once: true });
  const end = () => {
    signal?.removeEventListener("abort", hangUp);
    link.close();
  };
  let conversation;
  let result;
  try {
    conversation = new Conversation(link, credential, options);
    if (signal?.aborted) throw new TransportError("UNREACHABLE", "hung up before it began");
    onProgress("connect");
    await link.open();
    result = await carrying.present(conversation, command, town);
    if (confirm) result = await conversation.confirmed(result);
  } catch (error) {
    end();
    return { ...failure(error), after: Promise.resolve(carrying.nothingCarried()) };
  }
  if (!result.granted || !errands || town === null) {
    end();
    return { ...result, after: Promise.resolve(carrying.nothingCarried()) };
  }
  onProgress("carry");
  const carried = carrying.runErrands(conversation, result, town, errandsWithinMs);
  return { ...result, after: carried.finally(end) };
}

/** One connection to one lock: presented once or again, then asked while the session is open. */
export class Conversation {
  #link;
  #machine;
  #options;

  constructor(link, credential, options = {}) {
    this.credential = holder.Credential.of(credential);
    this.now = options.now ?? (() => performance.now());
    this.sleep = options.sleep ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms)));
    this.tell = options.onProgress ?? (() => {});
    this.#link = link;
    this.#options = options;
  }

  /** What the lock said of itself in the greeting of the last presentation. */
  get challenge() {
    return this.#machine?.challenge ?? null;
  }

  /** Greet, present, and tell what came of it. Throws TransportError. */
  async present(command) {
    const startedAt = this.now();
    this.#machine = new holder.HolderSession(this.credential, command, this.#options.random);
    let event = this.#machine.start();
    this.tell("greet");
    while (event.kind === holder.SEND) {
      if (this.challenge !== null) {
        this.#link.maxFragment = this.challenge.maxFragment;
        this.tell("present");
      }
      event = await this.#exchange(event.message);
    }
    if (event.kind === holder.OUTCOME) return told(event.outcome, command, this.now() - startedAt);
    return unproven(event);
  }

  /** {reason, value} of one request. Throws TransportError, also for a forged reply. */
  async ask(operation, argument) {
    const { message } = await this.#machine.request(operation, argument);
    const event = await this.#exchange(message);
    if (event.kind === holder.REPLY) return { reason: event.reason, value: event.value };
    if (event.kind === holder.ADVISORY) throw new TransportError(reasons.name(event.reason));
    throw new TransportError("NOT_GENUINE", event.why ?? event.kind);
  }

  /** The same result, once the bolt has moved; an opening that jams is told as such. */
  async confirmed(result) {
    if (result.code !== "OPENED") return result;
    this.tell("confirm");
    try {
      const bolt = await this.#boltAfter();
      const jammed = bolt === BOLT_JAMMED;
      return { ...result, bolt, ...(jammed ? { code: "JAMMED", granted: false } : {}) };
    } catch (error) {
      if (error instanceof ProtocolError) return result;
      throw error;
    }
  }

  /** Hang up. */
  close() {
    this.#link.close();
  }

  async #boltAfter() {
    const until = this.now() + MOVED_WITHIN_MS;
    let bolt = null;
    while (bolt !== BOLT_UNLOCKED && bolt !== BOLT_JAMMED && this.now() < until) {
      const { value } = await this.ask(session.REQUEST_STATE, null);
      if (!(value instanceof Map)) return bolt;
      bolt = value.get(STATE_BOLT) ?? null;
      if (bolt !== BOLT_UNLOCKED && bolt !== BOLT_JAMMED) await this.sleep(ASK_EVERY_MS);
    }
    return bolt;
  }

  async #exchange(message) {
    await this.#link.send(message);
    return this.#machine.receive(await this.#link.receive(this.#link.answerWithinMs));
  }
}

function told(outcome, command, ms) {
  const { reason, detail, headSeq, headHash } = outcome;
  const common = { ...NOTHING, authentic: true, ms, head: { seq: headSeq, hash: headHash } };
  if (reason !== session.OK) {
    const opensAt = timeIn(detail, session.DETAIL_OPENS_AT);
    return { ...common, code: reasons.name(reason), opensAt };
  }
  const after = detail.get(session.DETAIL_RELOCK_AFTER_MS);
  return {
    ...common,
    code: DONE.get(command) ?? "OPENED",
    granted: true,
    relockAfterMs: Number.isSafeInteger(after) ? after : null,
    heldUntil: timeIn(detail, session.DETAIL_HELD_UNTIL),
  };
}

function timeIn(detail, name) {
  const value = detail.get(name);
  return isTime(value) ? value : null;
}

function unproven(event) {
  if (event.kind === holder.WRONG_ROOM) {
    return { ...NOTHING, code: "WRONG_LOCK", door: event.lockId };
  }
  if (event.kind === holder.ADVISORY) return { ...NOTHING, code: reasons.name(event.reason) };
  return { ...NOTHING, code: "NOT_GENUINE" };
}

function failure(error) {
  if (error instanceof ProtocolError) {
    return { ...NOTHING, code: error.code, texts: error.texts ?? null };
  }
  throw error;
}
