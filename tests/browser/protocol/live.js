/**
 * Phones at real lock cores (bridge.py): attempt() over the relay's HTTP and over Bluetooth.
 *
 * `run(load, {origin})` walks through SCENARIOS, each at a door of its own, and reports failures by
 * name. What a person would be told is compared as a code; what the lock did, by asking the bridge.
 */

import { BluetoothLink, forget, support } from "../../../cloud/pages/protocol/bluetooth.js";
import { fromBase64url, toBase64url, toHex } from "../../../cloud/pages/protocol/bytes.js";
import {
  EitherTown, FetchTown, StoredTown, deliver, isWithdrawn, parseDocuments,
} from "../../../cloud/pages/protocol/carrying.js";
import * as keywrap from "../../../cloud/pages/protocol/keywrap.js";
import {
  BOLT_JAMMED, BOLT_LOCKED, BOLT_UNLOCKED,
} from "../../../cloud/pages/protocol/lockstate.js";
import { attempt } from "../../../cloud/pages/protocol/opening.js";
import { RelayLink } from "../../../cloud/pages/protocol/relay.js";
import * as session from "../../../cloud/pages/protocol/session.js";
import { Tally } from "./checks.js";
import { FakeBluetooth } from "./fake_bluetooth.js";

const { COMMAND_HOLD_OPEN, COMMAND_LOCK, COMMAND_SYNC, COMMAND_UNLOCK, COMMAND_UNLOCK_REMOTE } =
  session;
const HOUR_S = 3600;
const PATIENT_MS = 20_000; // the machine may be busy; short times only where one must run out
const HASTY_MS = 300;
const far = () => Promise.reject(new TypeError("Failed to fetch"));

export async function run(load, { origin, only }) {
  const t = new Tally();
  const names = Object.keys(SCENARIOS).filter((name) => !only || only.includes(name));
  for (const name of names) {
    const before = t.failures.length;
    await t.part(name, async () => SCENARIOS[name](t, await Door.hang(origin)));
    t.failures = t.failures.map((each, at) => (at < before ? each : `[${name}] ${each}`));
  }
  return { scenarios: names.length, checks: t.checks, failures: t.failures };
}

/** One door of the bridge, and what people bring to it. */
class Door {
  static async hang(origin) {
    const door = new Door();
    door.base = origin;
    const told = await door.post("/doors", {});
    door.base = `${origin}/doors/${told.door}`;
    door.lockId = told.lock_id;
    door.ticket = told.ticket;
    door.now = told.now;
    door.rows = told.credentials;
    forget(door.lockId); // each door has the same id, and is another one
    return door;
  }

  async post(path, body) {
    const headers = { "Content-Type": "application/json" };
    const how = { method: "POST", headers, body: JSON.stringify(body) };
    const answer = await fetch(this.base + path, how);
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.json();
  }

  hangUp(handle) {
    return fetch(`${this.base}/radio/${handle}`, { method: "DELETE" });
  }

  do(what, argument = null) {
    return this.post("/do", { what, argument });
  }

  tell() {
    return this.do("tell");
  }

  async credential(name) {
    const row = this.rows[name];
    const key = await session.importKey(fromBase64url(row.proof_key));
    return { lockId: row.lock_id, token: fromBase64url(row.token), key };
  }

  relay(how = {}) {
    return new RelayLink({ lockId: this.lockId, ticket: this.ticket, base: this.base, ...how });
  }

  radio(how = {}) {
    this.bluetooth = new FakeBluetooth(this, how);
    return this.again();
  }

  again(how = {}) {
    const times = { connectWithinMs: PATIENT_MS, answerWithinMs: PATIENT_MS };
    return new BluetoothLink(this.lockId, { bluetooth: this.bluetooth, ...times, ...how });
  }

  town(how = {}) {
    const { lockId, ticket, base } = this;
    return new FetchTown({ lockId, ticket, base, withinMs: PATIENT_MS, ...how });
  }

  async unlock(name, options = {}, link = this.radio()) {
    const command = link.relayed ? COMMAND_UNLOCK_REMOTE : COMMAND_UNLOCK;
    const patient = { errandsWithinMs: PATIENT_MS, ...options };
    const result = await attempt(link, await this.credential(name), command, patient);
    result.carried = await result.after;
    return result;
  }
}

function said({ code, granted, authentic }) {
  return [code, granted, authentic];
}

const OPENED = ["OPENED", true, true];
const refusal = (code) => [code, false, true];
const hint = (code) => [code, false, false];

const SCENARIOS = {
  async "opened by relay"(t, door) {
    const steps = [];
    const onProgress = (step) => steps.push(step);
    const result = await door.unlock("good", { onProgress }, door.relay());
    t.same(said(result), OPENED, "result");
    t.same(steps, ["connect", "greet", "present"], "steps");
    t.truth(result.ms > 0 && result.relockAfterMs > 0, "figures");
    const told = await door.tell();
    t.same(result.head.seq, told.head_seq, "the head is the journal's");
    t.same([told.asked, told.connections], [["relay", "relay"], 0], "hung up");
  },

  async "opened over bluetooth at every MTU"(t, door) {
    for (const mtu of [23, 24, 185, 247, 512]) {
      const result = await door.unlock("good", {}, door.radio({ mtu }));
      t.same(said(result), OPENED, `MTU ${mtu}`);
      t.same(result.bolt, BOLT_UNLOCKED, "the bolt has moved");
      const told = await door.tell();
      t.truth(told.largest_write <= mtu - 3, `${told.largest_write} bytes at MTU ${mtu}`);
      const whole = mtu >= 185 ? 150 : 20;
      t.truth(told.largest_write >= whole, `only ${told.largest_write} bytes at MTU ${mtu}`);
      t.same(told.connections, 0, "hung up");
      forget(door.lockId);
    }
  },

  async "too early"(t, door) {
    const result = await door.unlock("early");
    t.same(said(result), refusal("NOT_YET_VALID"), "result");
    t.same(result.opensAt, door.now + HOUR_S, "when it opens");
    const steps = [];
    const options = { town: door.town(), onProgress: (step) => steps.push(step) };
    const again = await door.unlock("early", options);
    t.same(said(again), refusal("NOT_YET_VALID"), "the town agrees");
    t.same(steps, ["connect", "greet", "present", "time"], "no second record for nothing");
    t.same((await door.tell()).asked, ["time"], "asked once, and not tried again");
  },

  async "over, or not allowed, or used"(t, door) {
    t.same(said(await door.unlock("over")), refusal("EXPIRED"), "over");
    t.same(said(await door.unlock("no_unlock")), refusal("SCOPE"), "scope");
    t.same(said(await door.unlock("once")), OPENED, "once");
    t.same(said(await door.unlock("once")), refusal("SPENT"), "twice");
    t.same(said(await door.unlock("broken_key")), hint("BAD_MAC"), "another key");
  },

  async "wrong room"(t, door) {
    door.bluetooth = new FakeBluetooth(door, { name: "kannuki-bbbbbbbb" });
    const link = new BluetoothLink("bbbbbbbb", { bluetooth: door.bluetooth });
    const result = await door.unlock("elsewhere", {}, link);
    t.same(said(result), hint("WRONG_LOCK"), "result");
    t.same(result.door, door.lockId, "which door this is");
    t.same(door.bluetooth.device.gatt.writes, 1, "nothing was presented");
    forget("bbbbbbbb");
    const link2 = new RelayLink({ lockId: "bbbbbbbb", ticket: door.ticket, base: door.base });
    const refused = await door.unlock("elsewhere", {}, link2);
    t.same(said(refused), hint("OTHER_LOCK"), "by relay the town says so");
    t.same(refused.texts, { ja: "日", "ja-simple": "に", en: "e" }, "in its words");
  },

  async revoked(t, door) {
    await door.do("revoke", door.rows.good.token);
    const known = await door.town().documents();
    t.same(await isWithdrawn(known, await door.credential("good")), true, "the list says so");
    t.same(await isWithdrawn(known, await door.credential("once")), false, "of this key only");
    const cut = { ...known, status: { ...known.status, entries: new Uint8Array(8) } };
    t.same(await isWithdrawn(cut, await door.credential("good")), false, "other entries");
    t.same(await isWithdrawn(null, await door.credential("good")), false, "no list");
    t.same(said(await door.unlock("good")), refusal("REVOKED"), "at the door");
    t.same(said(await door.unlock("good", {}, door.relay())), refusal("REVOKED"), "by relay");
  },

  async "a clock that is unsure"(t, door) {
    await door.do("lose_clock");
    t.same(said(await door.unlock("good")), refusal("TIME_UNKNOWN"), "with no town");
    const offline = door.town({ fetch: far });
    t.same(said(await door.unlock("good", { town: offline })), refusal("TIME_UNKNOWN"), "offline");
    const stored = new EitherTown(offline, new StoredTown());
    t.same(said(await door.unlock("good", { town: stored })), refusal("TIME_UNKNOWN"), "stored");
    const steps = [];
    const options = { town: door.town(), onProgress: (step) => steps.push(step) };
    t.same(said(await door.unlock("good", options)), OPENED, "with the town's time");
    t.same(steps.filter((step) => step === "time").length, 1, "brought once");
    t.same(steps.filter((step) => step === "greet").length, 2, "greeted twice");
  },

  async "a clock that is unsure, by relay"(t, door) {
    await door.do("lose_clock");
    const result = await door.unlock("good", { town: door.town() }, door.relay());
    t.same(said(result), OPENED, "brought on the same session");
  },

  async "a town whose clock is wrong"(t, door) {
    await door.do("town_clock_off", 2 * HOUR_S);
    const result = await door.unlock("early", { town: door.town() });
    t.same(said(result), refusal("NOT_YET_VALID"), "the lock does not believe it");
  },

  async "documents go in, records and head come out"(t, door) {
    await door.do("offer_list", { version: 3, count: 300 });
    await door.do("offer_config", 5);
    const result = await door.unlock("good", { town: door.town() });
    t.same(said(result), OPENED, "opened");
    const { carried } = result;
    t.same([carried.head, carried.status, carried.stopped], [true, true, null], "carried");
    t.same(carried.documents, ["config"], "the keyset is no news");
    t.truth(carried.parcels >= 1, "parcels");
    const told = await door.tell();
    t.same([told.status_version, told.config_version], [3, 5], "the lock holds them");
    t.same(told.heads, [[result.head.seq, toHex(result.head.hash)]], "the head");
    t.same(told.record_seqs, told.record_seqs.map((_, i) => told.record_seqs[0] + i), "in order");
    const next = await door.unlock("good", { town: door.town() });
    t.same(next.carried.documents, ["ack"], "the town's receipt goes in with the next visit");
    t.truth((await door.tell()).acked > 0, "and is taken");
    t.same(next.carried.status, false, "the list is no news any more");
  },

  async "a list as a difference"(t, door) {
    await door.do("offer_list", { version: 1, count: 40 });
    await door.unlock("good", { town: door.town() });
    const delta = { version: 2, count: 55, base_version: 1, base_count: 40, only_delta: true };
    await door.do("offer_list", delta);
    const result = await door.unlock("good", { town: door.town() }, door.radio({ mtu: 23 }));
    t.same([result.carried.status, (await door.tell()).status_version], [true, 2], "taken");
    await door.do("offer_list", { version: 3, count: 60, base_version: 9, base_count: 55 });
    await door.unlock("good", { town: door.town() });
    t.same((await door.tell()).status_version, 3, "from another base: as a whole");
  },

  async "with no signal"(t, door) {
    await door.do("offer_list", { version: 7, count: 3 });
    const documents = await door.town().documents(); // at home, the day before
    const kept = [];
    const offline = door.town({ fetch: far });
    const stored = new StoredTown({ documents, keep: (item) => kept.push(item) });
    const result = await door.unlock("good", { town: new EitherTown(offline, stored) });
    t.same(said(result), OPENED, "opened");
    t.same((await door.tell()).status_version, 7, "the list of yesterday");
    t.same(kept.map((item) => item.kind), ["head", "parcel"], "kept");
    t.same(await deliver(offline, kept), kept, "still no signal: nothing is lost");
    t.same(await deliver(door.town(), kept), [], "delivered");
    const told = await door.tell();
    t.same(told.heads.length, 1, "the head");
    t.truth(told.record_seqs.length > 0, "the records");
    const busy = async () => new Response('{"code": "TOO_MANY"}', { status: 429 });
    t.same(await deliver(door.town({ fetch: busy }), kept), kept, "later, when it is asked so");
    const forged = kept.map((item) => ({ ...item, seal: new Uint8Array(16) }));
    t.same(await deliver(door.town(), forged), [], "what the town never takes is dropped");
    const full = new StoredTown({ keep: () => Promise.reject(new Error("quota")) });
    const next = await door.unlock("good", { town: full });
    t.same([next.code, next.carried.stopped], ["OPENED", "NOT_KEPT"], "a full phone opens, too");
  },

  async "a signal that is none"(t, door) {
    await door.do("offer_list", { version: 4, count: 200 });
    const documents = await door.town().documents();
    const kept = [];
    const waits = [];
    const hangs = (_, { signal }) => new Promise((_resolve, reject) => {
      waits.push(signal);
      signal.addEventListener("abort", () => reject(signal.reason));
    });
    const keep = async (item) => kept.push([item.kind, (await door.tell()).connections]);
    const stored = new StoredTown({ documents: async () => documents, keep });
    const town = new EitherTown(door.town({ fetch: hangs, withinMs: HASTY_MS }), stored);
    const startedAt = performance.now();
    const result = await door.unlock("good", { town });
    t.truth(performance.now() - startedAt < PATIENT_MS, "nobody waits for the town's time");
    t.same(said(result), OPENED, "opened");
    t.same([(await door.tell()).status_version, result.carried.status], [4, true], "the kept list");
    t.same(kept, [["head", 1], ["parcel", 0]], "records are kept when the lock is free again");
    t.same(waits.length, 2, "asked side by side, then not again");
    const broken = new StoredTown({ documents: () => Promise.reject(new Error("no disk")) });
    t.same((await door.unlock("good", { town: broken })).carried.stopped, "NOT_KEPT", "no disk");
  },

  async "a town that talks nonsense"(t, door) {
    await door.do("fault", "town");
    const result = await door.unlock("good", { town: door.town() });
    t.same([result.code, result.carried.stopped], ["OPENED", "OFFLINE"], "opened all the same");
    await door.do("lose_clock");
    t.same(said(await door.unlock("good", { town: door.town() })), refusal("TIME_UNKNOWN"), "time");
    t.same(said(await door.unlock("good", {}, door.relay())), hint("OFFLINE"), "relay");
    const wrong = { lock_id: "cccccccc" };
    await t.refused(async () => parseDocuments(wrong, door.lockId), Error, "of another lock");
  },

  async "a group's key, once the lock knows its group"(t, door) {
    t.same(said(await door.unlock("group")), hint("WRONG_LOCK"), "not one of the group yet");
    await door.do("offer_config", 2);
    await door.unlock("good", { town: door.town() });
    const { key, token } = await door.credential("group");
    const [other] = [await session.importKey(new Uint8Array(32))];
    const many = { token, keys: { bbbbbbbb: other, [door.lockId]: key } };
    const link = new BluetoothLink(["bbbbbbbb", door.lockId], { bluetooth: door.bluetooth });
    t.same(said(await attempt(link, many, COMMAND_UNLOCK)), OPENED, "now it is");
  },

  async "a claimed key that no script can read"(t, door) {
    const pair = await keywrap.makeDeviceKey();
    const row = await door.do("claim", toBase64url(await keywrap.devicePublicKey(pair)));
    const credential = await keywrap.credentialOf(row, pair.privateKey);
    await crypto.subtle.exportKey("raw", credential.key).then(
      () => t.truth(false, "the key was exported"),
      () => t.truth(true, "the key stays in"),
    );
    t.same(said(await attempt(door.radio(), credential, COMMAND_UNLOCK)), OPENED, "and opens");
  },

  async "lock, hold, sync"(t, door) {
    const locked = await attempt(door.radio(), await door.credential("good"), COMMAND_LOCK);
    t.same(said(locked), ["LOCKED", true, true], "lock");
    const held = await attempt(door.again(), await door.credential("holds"), COMMAND_HOLD_OPEN);
    t.same(said(held), ["HELD_OPEN", true, true], "hold");
    t.truth(held.heldUntil > door.now, "until when");
    const synced = await attempt(door.again(), await door.credential("staff"), COMMAND_SYNC);
    t.same(said(synced), ["SYNCED", true, true], "sync");
  },

  async "a jam is told and not hidden"(t, door) {
    await door.do("jam");
    const result = await door.unlock("good", { town: door.town() });
    t.same([result.code, result.granted, result.bolt], ["JAMMED", false, BOLT_JAMMED], "jam");
    t.same((await door.tell()).asked, [], "and nobody is kept waiting with errands");
  },

  async "one bit turned in what the lock says"(t, door) {
    for (let i = 0; i < 24; i += 1) {
      const kind = i % 2 ? session.OUTCOME : session.CHALLENGE;
      await door.do("fault", `flip:${kind}`);
      const result = await door.unlock("good", {}, door.relay());
      t.truth(!result.granted && !result.authentic, `${kind}: ${result.code}`);
      const known = ["NOT_GENUINE", "BAD_MAC", "WRONG_LOCK", "MALFORMED", "BUSY", "NO_SESSION"];
      const told = known.includes(result.code) || /^(UNKNOWN_\d+|[A-Z_]+)$/.test(result.code);
      t.truth(told, result.code);
    }
  },

  async "noise instead of a lock"(t, door) {
    await door.do("fault", "noise");
    for (let i = 0; i < 24; i += 1) {
      const result = await door.unlock("good", { town: door.town() }, door.relay());
      t.truth(!result.granted && !result.authentic, result.code);
    }
    t.same((await door.tell()).bolt, BOLT_LOCKED, "the bolt never moved");
  },

  async "no answer"(t, door) {
    await door.do("fault", "silent");
    t.same(said(await door.unlock("good", {}, door.relay())), hint("TIMEOUT"), "relay");
    door.radio({ mute: true });
    const mute = await door.unlock("good", {}, door.again({ answerWithinMs: HASTY_MS }));
    t.same(said(mute), hint("TIMEOUT"), "radio");
    t.same(said(await door.unlock("good", {}, door.relay({ fetch: far }))), hint("OFFLINE"), "far");
    const stranger = door.relay({ ticket: "somebody else's" });
    t.same(said(await door.unlock("good", {}, stranger)), hint("NO_TICKET"), "no ticket");
  },

  async "the browser's Bluetooth in every mood"(t, door) {
    const moods = [
      ["BLUETOOTH_OFF", { isAvailable: false }],
      ["NOT_CHOSEN", { chooser: "cancel" }],
      ["NOT_CHOSEN", { name: "kannuki-cccccccc" }],
      ["BLUETOOTH_BLOCKED", { chooser: "blocked" }],
      ["NO_LOCK", { hasService: false }],
      ["UNREACHABLE", { connectFails: 9 }],
      ["UNREACHABLE", { connectHangs: true }],
      ["UNREACHABLE", { dropAfter: 0 }],
      ["UNREACHABLE", { dropAfter: 3, mtu: 23 }],
      ["NOT_GENUINE", { rewrite: (piece) => piece.slice(0, 1) }],
      ["NOT_GENUINE", { rewrite: (piece) => piece.map((byte, i) => (i ? byte : byte ^ 0x80)) }],
      ["OPENED", { connectFails: 1 }],
    ];
    for (const [code, how] of moods) {
      door.radio(how);
      const within = how.connectHangs ? { connectWithinMs: HASTY_MS } : {};
      const result = await door.unlock("good", {}, door.again(within));
      t.same(result.code, code, JSON.stringify(how));
      t.same((await door.tell()).connections, 0, "no link is left behind");
      forget(door.lockId);
    }
    const none = { requestDevice: null };
    const link = new BluetoothLink(door.lockId, { bluetooth: none });
    t.same((await door.unlock("good", {}, link)).code, "BLUETOOTH_ABSENT", "absent");
    t.same(await support(none), "absent", "support");
    t.same(await support(new FakeBluetooth(door)), "ready", "support");
    t.same(await support(new FakeBluetooth(door, { isAvailable: false })), "off", "support");
  },

  async "a lock that was chosen is not asked for again"(t, door) {
    await door.unlock("good", {}, door.radio());
    await door.unlock("good", {}, door.again());
    t.same(door.bluetooth.asked, 1, "in the same page");
    const wanted = { services: ["26f8f8a6-98dd-43d0-9a8e-5bd9e8c41a70"], name: "kannuki-aaaaaaaa" };
    t.same(door.bluetooth.filters, [wanted], "by service and name");
    door.bluetooth.how.connectFails = 99;
    t.same((await door.unlock("good", {}, door.again())).code, "UNREACHABLE", "out of range");
    door.bluetooth.how.connectFails = 0;
    await door.unlock("good", {}, door.again());
    t.same(door.bluetooth.asked, 2, "asked anew when it could not be reached");
  },

  async "a browser that remembers"(t, door) {
    // A module of its own has chosen nothing yet in its page.
    const fresh = await import("../../../cloud/pages/protocol/bluetooth.js?page=2");
    door.radio({ remembers: true });
    const link = new fresh.BluetoothLink(door.lockId, { bluetooth: door.bluetooth });
    t.same(said(await door.unlock("good", {}, link)), OPENED, "opened");
    t.same(door.bluetooth.asked, 0, "without asking");
    const later = await import("../../../cloud/pages/protocol/bluetooth.js?page=3");
    door.radio({ remembers: true, unheard: true });
    const heard = new later.BluetoothLink(door.lockId, { bluetooth: door.bluetooth });
    t.same(said(await door.unlock("good", {}, heard)), OPENED, "once it was heard");
    t.same(door.bluetooth.device.watched, 1, "listened for");
    const last = await import("../../../cloud/pages/protocol/bluetooth.js?page=4");
    door.radio({ remembers: true, unheard: "ever" });
    const how = { bluetooth: door.bluetooth, connectWithinMs: HASTY_MS };
    const gone = new last.BluetoothLink(door.lockId, how);
    t.same((await door.unlock("good", {}, gone)).code, "UNREACHABLE", "never heard");
  },

  async "hanging up in between"(t, door) {
    const early = new AbortController();
    early.abort();
    const none = await door.unlock("good", { signal: early.signal });
    t.same(said(none), hint("UNREACHABLE"), "before it began");
    const late = new AbortController();
    const onProgress = (step) => step === "present" && late.abort();
    const cut = await door.unlock("good", { signal: late.signal, onProgress });
    t.same(said(cut), hint("UNREACHABLE"), "before it was presented");
    t.same((await door.tell()).connections, 0, "hung up");
    const gone = new AbortController();
    const bye = (step) => step === "carry" && gone.abort();
    const options = { signal: gone.signal, onProgress: bye, town: door.town() };
    const result = await door.unlock("good", options);
    t.same([result.code, result.carried.parcels], ["OPENED", 0], "after it opened");
  },

  async "a credential that is none"(t, door) {
    const good = await door.credential("good");
    for (const odd of [
      { ...good, token: good.token.slice(1) }, { ...good, token: null }, { ...good, key: "key" },
      { ...good, lockId: "KITAGUCH" }, {},
    ]) {
      const result = await attempt(door.radio(), odd, COMMAND_UNLOCK);
      t.same(said(result), hint("NO_KEY"), JSON.stringify(Object.keys(odd)));
    }
    t.same(door.bluetooth.asked, 0, "nobody was asked to choose a door for it");
  },
};
