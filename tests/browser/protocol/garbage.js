/**
 * Garbage: whatever arrives, a reader gives a value or an error of its own, and a holder an event.
 *
 * `run(load, {inputs})`: [[target, hex, taken by Python]], compared verdict by verdict.
 * `run(load, {seed, rounds})`: seeded noise and mutations for readers, holders, the town's JSON.
 */

import * as audit from "../../../cloud/pages/protocol/audit.js";
import { fromBase64url, toBase64url } from "../../../cloud/pages/protocol/bytes.js";
import { parseDocuments } from "../../../cloud/pages/protocol/carrying.js";
import * as cbor from "../../../cloud/pages/protocol/cbor.js";
import * as cose from "../../../cloud/pages/protocol/cose.js";
import { FormError, ProtocolError } from "../../../cloud/pages/protocol/errors.js";
import { Reassembler } from "../../../cloud/pages/protocol/frames.js";
import * as holder from "../../../cloud/pages/protocol/holder.js";
import { request } from "../../../cloud/pages/protocol/http.js";
import * as session from "../../../cloud/pages/protocol/session.js";
import * as signedtime from "../../../cloud/pages/protocol/signedtime.js";
import * as statuslist from "../../../cloud/pages/protocol/statuslist.js";
import * as tokens from "../../../cloud/pages/protocol/token.js";
import { Tally, hex, unhex } from "./checks.js";

const READERS = {
  cbor: again((raw) => cbor.decode(raw, [cose.TAG_SIGN1]), cbor.encode),
  cose: cose.decode,
  token: tokens.parse,
  claims: again(tokens.decodeClaims, tokens.encodeClaims),
  "signed time": signedtime.parse,
  "signed time payload": again(signedtime.decode, signedtime.encode),
  "status list": statuslist.parse,
  "status header": again(statuslist.decode, statuslist.encode),
  "audit record": audit.decodeRecord,
  "audit parcel": audit.decodeParcel,
  acknowledgement: audit.parseAck,
  "acknowledgement payload": again(audit.decodeAck, audit.encodeAck),
  "signed head": again(audit.decodeHead, audit.encodeHead),
  challenge: said(session.decodeChallenge, session.encodeChallenge),
  presentation: session.decodePresentation,
  outcome: said(session.decodeOutcome, session.encodeOutcome),
  request: session.decodeRequest,
  reply: session.decodeReply,
  refusal: said(session.decodeRefusal, session.encodeRefusal),
  hello: said(session.decodeHello, session.encodeHello),
};

/** A reader whose accepted input encodes to itself. */
function again(decode, encode) {
  return (raw) => {
    if (hex(encode(decode(raw))) !== hex(raw)) throw new Error("another encoding was taken");
  };
}

function said(decode, encode) {
  return again(decode, (value) => encode(value).slice(1));
}

export async function run(load, { inputs, seed, rounds }) {
  return inputs ? compare(inputs) : storm(load, new Lcg(seed), rounds);
}

function compare(inputs) {
  const report = { failures: [], compared: 0, taken: 0, refused: 0 };
  for (const [name, text, taken] of inputs) {
    const verdict = takes(READERS[name], unhex(text));
    if (verdict !== taken) report.failures.push(`${name} ${text}: ${verdict}, Python ${taken}`);
    report.compared += 1;
    report[taken ? "taken" : "refused"] += 1;
  }
  return report;
}

function takes(read, raw) {
  try {
    read(raw);
    return true;
  } catch (error) {
    return error instanceof FormError && error.code === "MALFORMED" ? false : `${error}`;
  }
}

/** As tests/protocol/noise.py. */
class Lcg {
  constructor(seed) {
    this.state = BigInt(seed);
  }

  below(limit) {
    this.state = (this.state * 1664525n + 1013904223n) & 0xffffffffn;
    return Number((this.state >> 8n) % BigInt(limit));
  }

  bytes(length) {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  mutate(raw) {
    const out = Array.from(raw);
    for (let left = 1 + this.below(4); left > 0; left -= 1) {
      const at = this.below(out.length + 1);
      const kind = this.below(4);
      if (kind === 0) out.splice(at, 0, ...this.bytes(1 + this.below(3)));
      else if (kind === 1) out.splice(at, 1 + this.below(8));
      else if (kind === 2 && at < out.length) out[at] ^= 1 << this.below(8);
      else out.splice(at);
    }
    return Uint8Array.from(out);
  }
}

async function storm(load, random, rounds) {
  const t = new Tally();
  const known = await load("session");
  const messages = ["hello", "challenge", "presentation", "outcome", "reply", "refusal", "request"]
    .map((name) => unhex(known[name]));
  for (let i = 0; i < rounds; i += 1) {
    const pick = messages[random.below(messages.length)];
    const raw = random.below(3) ? random.mutate(pick) : random.bytes(random.below(600));
    await t.part("readers", () => readers(t, raw));
    if (i % 4 === 0) await t.part("holder", () => holders(t, known, raw));
    await t.part("fragments", () => reassemble(t, raw, random));
    await t.part("base64url", () => encoded(t, raw, random));
    await t.part("documents", () => documents(t, random));
  }
  await t.part("answers", () => answers(t));
  await t.part("at once", () => atOnce(t, known));
  return { checks: t.checks, failures: t.failures.slice(0, 20) };
}

function readers(t, raw) {
  for (const [name, read] of Object.entries(READERS)) {
    const verdict = takes(read, name in { cbor: 1, cose: 1 } ? raw : raw.slice(1));
    t.truth(typeof verdict === "boolean", `${name} ${hex(raw)}: ${verdict}`);
  }
}

/** The same bytes in each state of a holder, bare and under a good MAC. */
async function holders(t, known, raw) {
  const key = await session.importKey(unhex(known.proof_key));
  const greeting = [unhex(known.hello), unhex(known.challenge)];
  const [presentation, macH] = [unhex(known.presentation), unhex(known.mac_h)];
  for (let stage = 0; stage < 4; stage += 1) {
    for (const proven of [false, true]) {
      const machine = await at(known, key, stage);
      let mac = new Uint8Array();
      if (proven && stage === 1) {
        mac = await session.outcomeMac(key, greeting, presentation, macH, raw);
      } else if (proven && stage === 2) {
        mac = await session.replyMac(key, unhex(known.transcript), unhex(known.request), raw);
      }
      const event = await machine.receive(join(raw, mac));
      t.truth(isHarmless(event, stage, proven, raw), `stage ${stage} ${hex(raw)} ${event.kind}`);
      const next = await machine.receive(join(raw, mac));
      const over = [holder.BROKEN, holder.ADVISORY, holder.OUTCOME].includes(next.kind);
      t.truth(over || proven, `after the end: ${next.kind}`);
    }
  }
}

/** A machine that is told two things at once is at its end, whatever they are. */
async function atOnce(t, known) {
  const key = await session.importKey(unhex(known.proof_key));
  const outcome = unhex(known.outcome + known.mac_l);
  for (const second of [outcome, unhex(known.challenge), unhex(known.refusal), new Uint8Array()]) {
    const machine = await at(known, key, 1);
    const both = await Promise.all([machine.receive(outcome), machine.receive(second)]);
    t.same(both.map((event) => event.kind), [holder.BROKEN, holder.BROKEN], "two at once");
    t.same((await machine.receive(outcome)).kind, holder.BROKEN, "and none after");
    await t.refused(() => machine.request(session.REQUEST_STATE, null), FormError, "nor a request");
  }
}

function isHarmless(event, stage, proven, raw) {
  if (event.kind === holder.BROKEN || event.kind === holder.ADVISORY) return true;
  if (event.kind === holder.WRONG_ROOM) return stage === 0;
  // A challenge needs no proof, so garbage that is one is answered: with a presentation to it.
  if (event.kind === holder.SEND) return stage === 0 && raw[0] === session.CHALLENGE;
  return proven && [holder.OUTCOME, holder.REPLY].includes(event.kind);
}

async function at(known, key, stage) {
  const credential = { lockId: known.lock_id, token: unhex(known.token), key };
  const machine = new holder.HolderSession(credential, 1, () => unhex(known.holder_nonce));
  if (stage === 3) return machine; // nothing was said yet
  machine.start();
  if (stage >= 1) await machine.receive(unhex(known.challenge));
  if (stage >= 2) {
    await machine.receive(unhex(known.outcome + known.mac_l));
    await machine.request(session.REQUEST_AUDIT, [0, 16]);
  }
  return machine;
}

function join(a, b) {
  return Uint8Array.from([...a, ...b]);
}

function reassemble(t, raw, random) {
  const inbox = new Reassembler(512);
  let held = 0;
  for (let from = 0; from < raw.length; ) {
    const size = random.below(40);
    try {
      held = Math.max(held, inbox.push(raw.slice(from, from + size))?.length ?? 0);
    } catch (error) {
      t.truth(error instanceof FormError, `fragments: ${error}`);
    }
    from += size + 1;
  }
  t.truth(held <= 512, "a message beyond the bound");
}

function encoded(t, raw, random) {
  t.same(fromBase64url(toBase64url(raw)), raw, "base64url");
  const text = String.fromCharCode(...raw.slice(0, 1 + random.below(20)));
  const verdict = takes((odd) => fromBase64url(odd), text);
  t.truth(typeof verdict === "boolean", `base64url ${verdict}`);
}

const ODD = [
  null, undefined, true, 0, -1, 1.5, 2 ** 53, "", "x", "====", "AAAA", [], {}, [[]], { version: 1 },
  { version: "1", document: "" }, { version: 1, document: "A" }, { version: 1, document: "AAAA" },
  { version: 1, document: "AAAA", entries: "AAAA", base_version: 0, additions: 7 },
];

function documents(t, random) {
  const odd = () => ODD[random.below(ODD.length)];
  const json = random.below(4)
    ? { lock_id: "kitaguch", status: odd(), keyset: odd(), config: odd(), ack: odd() }
    : odd();
  const verdict = takes((each) => parseDocuments(each, "kitaguch"), json);
  t.truth(typeof verdict === "boolean", `documents ${JSON.stringify(json)}: ${verdict}`);
}

/** What the town's HTTP may say: an object, or a TransportError with a code. */
async function answers(t) {
  for (const [status, body] of [
    [200, "[]"], [200, "null"], [200, "7"], [200, "<html>"], [200, ""], [500, "{}"], [500, "x"],
    [404, '{"code": 7}'], [404, '{"code": "lower"}'], [404, '{"code": "A\\nB"}'], [409, "[]"],
    [429, '{"code": "BUSY", "ja": 1}'], [302, "{}"],
  ]) {
    const fetch = async () => new Response(body, { status });
    try {
      const value = await request("GET", "/x", { fetch });
      t.truth(value !== null && typeof value === "object" && !Array.isArray(value), body);
    } catch (error) {
      t.truth(error instanceof ProtocolError && /^[A-Z_]+$/.test(error.code), `${body}: ${error}`);
      t.same(error.texts, null, "texts that are not all there are none");
    }
  }
}
