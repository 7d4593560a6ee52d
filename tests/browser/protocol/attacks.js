/**
 * What a lock, or somebody in between, may try with a holder; each attack by name.
 *
 * `run(load)`: every attack ends the session as it should, and says so with the right event.
 */

import { concat } from "../../../cloud/pages/protocol/bytes.js";
import * as holder from "../../../cloud/pages/protocol/holder.js";
import * as reasons from "../../../cloud/pages/protocol/reasons.js";
import * as session from "../../../cloud/pages/protocol/session.js";
import { TimeBound } from "../../../cloud/pages/protocol/timebound.js";
import { Tally, hex, unhex } from "./checks.js";

const { BROKEN, ADVISORY, OUTCOME, REPLY, SEND, WRONG_ROOM } = holder;

export async function run(load) {
  const t = new Tally();
  const known = await load("session");
  for (const [name, attack] of Object.entries(ATTACKS)) {
    await t.part(name, () => attack(t, rigged(known)));
  }
  return { attacks: Object.keys(ATTACKS).length, checks: t.checks, failures: t.failures };
}

/** Makes sessions in which the lock's side is ours. */
function rigged(known) {
  return {
    known,
    async begin(command = session.COMMAND_UNLOCK) {
      const key = await session.importKey(unhex(known.proof_key));
      const credential = { lockId: known.lock_id, token: unhex(known.token), key };
      const machine = new holder.HolderSession(credential, command);
      return new Talk(machine, key, machine.start().message);
    },
    challenge: (more = {}) =>
      session.encodeChallenge({
        version: 1,
        lockId: known.lock_id,
        nonce: crypto.getRandomValues(new Uint8Array(16)),
        time: new TimeBound(0),
        versions: { keyset: 1, status: 0, config: 1 },
        epochs: [3],
        maxFragment: 182,
        ...more,
      }),
  };
}

class Talk {
  constructor(machine, key, hello) {
    Object.assign(this, { machine, key, hello });
  }

  async presented(challenge) {
    this.challenge = challenge;
    const event = await this.machine.receive(challenge);
    if (event.kind !== SEND) return event;
    [this.presentation, this.mac] = session.splitMac(event.message);
    return event;
  }

  async outcome(reason, more = {}) {
    const said = { reason, detail: new Map(), headSeq: 1, headHash: new Uint8Array(32), ...more };
    const raw = session.encodeOutcome(said);
    const greeting = [this.hello, this.challenge];
    const parts = [greeting, this.presentation];
    const mac = await session.outcomeMac(this.key, ...parts, this.mac, raw);
    this.bound = await session.transcript(...parts, raw);
    return concat(raw, mac);
  }

  async open(challenge) {
    await this.presented(challenge);
    return this.machine.receive(await this.outcome(session.OK));
  }

  async reply(request, counter, bound = this.bound) {
    const [raw] = session.splitMac(request);
    const said = session.encodeReply(counter, session.OK, null);
    return concat(said, await session.replyMac(this.key, bound, raw, said));
  }
}

const ATTACKS = {
  async "a younger or older version in the challenge"(t, { begin, challenge }) {
    for (const version of [0, 2, 2n ** 64n - 1n]) {
      const talk = await begin();
      t.same((await talk.presented(challenge({ version }))).kind, BROKEN, `version ${version}`);
    }
  },

  async "another room's lock gets no token"(t, { begin, challenge }) {
    const talk = await begin();
    const event = await talk.presented(challenge({ lockId: "bbbbbbbb" }));
    t.same(event, { kind: WRONG_ROOM, lockId: "bbbbbbbb" }, "told");
    t.same((await talk.presented(challenge())).kind, BROKEN, "and it is over");
  },

  async "each attempt has a nonce of its own"(t, { begin, challenge }) {
    const [a, b] = [await begin(), await begin()];
    const same = challenge();
    const said = [await a.presented(same), await b.presented(same)].map((e) => hex(e.message));
    t.truth(said[0] !== said[1], "two presentations to one challenge differ");
  },

  async "an outcome of another session"(t, { begin, challenge }) {
    const [old, now] = [await begin(), await begin()];
    const same = challenge();
    await old.presented(same);
    await now.presented(same);
    const replayed = await old.outcome(session.OK);
    t.same((await now.machine.receive(replayed)).kind, BROKEN, "replayed");
  },

  async "a refusal turned into an opening"(t, { begin, challenge }) {
    const talk = await begin();
    await talk.presented(challenge());
    const told = await talk.outcome(38);
    told[2] = 0; // the array's first member was 0x18 0x26: neither form may pass
    t.same((await talk.machine.receive(told)).kind, BROKEN, "changed");
  },

  async "the holder's own MAC sent back"(t, { begin, challenge }) {
    const talk = await begin();
    await talk.presented(challenge());
    const raw = (await talk.outcome(session.OK)).slice(0, -16);
    t.same((await talk.machine.receive(concat(raw, talk.mac))).kind, BROKEN, "reflected");
    const again = await begin();
    const { message } = await again.presented(challenge());
    t.same((await again.machine.receive(message)).kind, BROKEN, "the message reflected");
  },

  async "a MAC cut short, or none"(t, { begin, challenge }) {
    for (const left of [0, 1, 15]) {
      const talk = await begin();
      await talk.presented(challenge());
      const whole = await talk.outcome(session.OK);
      const cut = whole.slice(0, whole.length - 16 + left);
      t.same((await talk.machine.receive(cut)).kind, BROKEN, `${left} bytes of MAC`);
    }
  },

  async "every reason that needs a MAC, told without one"(t, { begin, challenge }) {
    for (const [reason] of reasons.NAMES) {
      const talk = await begin();
      await talk.presented(challenge());
      const raw = session.encodeRefusal(reason);
      const event = await talk.machine.receive(raw);
      const wanted = reason < 32 ? { kind: ADVISORY, reason } : BROKEN;
      t.same(reason < 32 ? event : event.kind, wanted, reasons.name(reason));
    }
  },

  async "OK told without a MAC"(t, { begin }) {
    const talk = await begin();
    t.same((await talk.machine.receive(Uint8Array.of(7, 0x81, 0))).kind, BROKEN, "at once");
  },

  async "answers out of turn"(t, { begin, challenge }) {
    const talk = await begin();
    await talk.presented(challenge());
    t.same((await talk.machine.receive(challenge())).kind, BROKEN, "a second challenge");
    const early = await begin();
    early.challenge = challenge();
    early.presentation = early.mac = new Uint8Array(16);
    t.same((await early.machine.receive(await early.outcome(0))).kind, BROKEN, "no presentation");
  },

  async "a reply to another request"(t, { begin, challenge }) {
    for (const counter of [0, 2, 2n ** 64n - 1n]) {
      const talk = await begin();
      t.same((await talk.open(challenge())).kind, OUTCOME, "open");
      const { message } = await talk.machine.request(session.REQUEST_STATE, null);
      const event = await talk.machine.receive(await talk.reply(message, counter));
      t.same(event.kind, BROKEN, `counter ${counter}`);
    }
  },

  async "a reply of another session, or of the request before"(t, { begin, challenge }) {
    const talk = await begin();
    await talk.open(challenge());
    const first = (await talk.machine.request(session.REQUEST_STATE, null)).message;
    const answer = await talk.reply(first, 1);
    t.same((await talk.machine.receive(answer)).kind, REPLY, "the first is good");
    await talk.machine.request(session.REQUEST_STATE, null);
    t.same((await talk.machine.receive(answer)).kind, BROKEN, "replayed");
    const other = await begin();
    await other.open(challenge());
    const asked = (await other.machine.request(session.REQUEST_STATE, null)).message;
    const elsewhere = await other.reply(asked, 1, talk.bound);
    t.same((await other.machine.receive(elsewhere)).kind, BROKEN, "bound to another session");
  },

  async "which outcomes leave a session open"(t, { begin, challenge }) {
    for (const reason of [session.OK, ...reasons.NAMES.keys(), 99, 2n ** 60n]) {
      const talk = await begin();
      await talk.presented(challenge());
      const event = await talk.machine.receive(await talk.outcome(reason));
      t.same([event.kind, event.outcome.reason], [OUTCOME, reason], `${reason}`);
      const open = await talk.machine.request(session.REQUEST_STATE, null).then(
        () => true,
        () => false,
      );
      t.same(open, [0, 34, 35, 36].includes(reason), `open after ${reason}`);
    }
  },
};
