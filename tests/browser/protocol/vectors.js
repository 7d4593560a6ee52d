/**
 * Every vector that concerns a holder, read by the modules that pages load.
 *
 * `run(load)`: load(name) -> Promise of protocol/vectors/{name}.json. Resolves to {files: {name:
 * members read}, elsewhere, checks, failures, unread}. FILES says which files those are, ELSEWHERE
 * why the others are none of a holder's business; the test holds both against the folder.
 */

import * as audit from "../../../cloud/pages/protocol/audit.js";
import { concat, toBase64url, utf8 } from "../../../cloud/pages/protocol/bytes.js";
import * as cbor from "../../../cloud/pages/protocol/cbor.js";
import * as cose from "../../../cloud/pages/protocol/cose.js";
import * as errors from "../../../cloud/pages/protocol/errors.js";
import * as frames from "../../../cloud/pages/protocol/frames.js";
import * as gatt from "../../../cloud/pages/protocol/gatt.js";
import * as holder from "../../../cloud/pages/protocol/holder.js";
import * as keywrap from "../../../cloud/pages/protocol/keywrap.js";
import * as lockstate from "../../../cloud/pages/protocol/lockstate.js";
import * as reasons from "../../../cloud/pages/protocol/reasons.js";
import * as session from "../../../cloud/pages/protocol/session.js";
import * as signedtime from "../../../cloud/pages/protocol/signedtime.js";
import * as statuslist from "../../../cloud/pages/protocol/statuslist.js";
import * as timebound from "../../../cloud/pages/protocol/timebound.js";
import * as tokens from "../../../cloud/pages/protocol/token.js";
import { Tally, hex, unhex } from "./checks.js";
import { ledger } from "./ledger.js";

const { FormError } = errors;

export const ELSEWHERE = {
  conduct: "what a lock makes of time and lists it is offered; a holder learns the reply",
  keyset: "a phone carries it unread; who may follow whom is the lock's verdict",
  lockconfig: "a phone carries it unread; its figures concern the door",
  pin: "digits are made by the vault and read by the keypad; a page shows what it was given",
  verdicts: "the lock's judgement of presentations, with trust that no phone has",
};

// Numbers of tables and bounds that only a lock, the vault or the town has a use for.
const TABLES_ELSEWHERE = ["roles", "figures"];
const LIMITS_ELSEWHERE = [
  "MAX_KEYS", "MAX_VAULTS", "ROOTS", "MAX_TOWN_CHARS", "MAX_GROUPS", "MAX_FIRMWARE_CHARS",
  "MAX_REMEMBERED", "MAX_AHEAD",
  "MIN_DOMAIN", "MAX_LENGTH", "DIGITS", "QUARTER_S", "SERIALS", "PIN_NAME_BYTES", "LOOSE_DOUBT_S",
  "AES_BLOCK_BYTES",
];
const MODULES = [session, tokens, timebound, frames, cose, signedtime, cbor, audit, statuslist];

export const FILES = {
  audit: auditRecords,
  cbor: cborItems,
  claim: claiming,
  crypto: webCrypto,
  frames: fragments,
  gatt: addresses,
  keys: derivations,
  numbers: numberTables,
  reasons: reasonRows,
  session: wholeSession,
  signedtime: timeAnswers,
  statuslist: statusLists,
  token: tokenRows,
};

export async function run(load, { spoil } = {}) {
  const [t, files, unread] = [new Tally(), {}, []];
  for (const [name, read] of Object.entries(FILES)) {
    const known = await load(name);
    if (spoil === "unread" && name === "gatt") known.names[0].surprise = 1;
    if (spoil === "wrong" && name === "reasons") known[18].needs_mac = false;
    const book = ledger(name, known);
    await t.part(name, () => read(t, book.rows));
    files[name] = book.read.size;
    unread.push(...book.unread());
  }
  return { files, elsewhere: ELSEWHERE, checks: t.checks, failures: t.failures, unread };
}

// --- numbers ---

const PREFIXED = {
  commands: [session, /^COMMAND_/],
  requests: [session, /^REQUEST_/],
  outcome_details: [session, /^DETAIL_/],
  state: [lockstate, /^STATE_/],
  bolts: [lockstate, /^BOLT_/],
  leaves: [lockstate, /^LEAF_/],
  keypads: [lockstate, /^KEYPAD_/],
  message_types: [
    session, /^(HELLO|CHALLENGE|PRESENTATION|OUTCOME|REQUEST|REPLY|REFUSAL)$/,
  ],
  permissions: [tokens, /^(UNLOCK|UNLOCK_REMOTE|LOCK|HOLD_OPEN|STATUS|MAINTAIN|EVACUATE)$/],
  fragment_header: [frames, /^(FIRST|LAST)$/],
  cose: [cose, /^(ALG_|TAG_)/],
};
const GROUPED = {
  events: audit.EVENTS,
  operations: audit.OPERATIONS,
  alarms: audit.ALARMS,
  time_codes: audit.TIME_CODES,
  keypad_codes: audit.KEYPAD_CODES,
  door_states: audit.DOOR_STATES,
  sources: audit.SOURCES,
};

function numberTables(t, known) {
  for (const [table, rows] of Object.entries(known.tables)) {
    const wanted = { ...rows };
    if (TABLES_ELSEWHERE.includes(table)) continue;
    t.truth(table in PREFIXED || table in GROUPED, `a home for table ${table}`);
    t.same(sorted(GROUPED[table] ?? named(...PREFIXED[table])), sorted(wanted), table);
  }
  for (const [name, value] of Object.entries(known.limits)) {
    if (LIMITS_ELSEWHERE.includes(name)) continue;
    const home = MODULES.find((module) => name in module);
    t.same(home?.[name], value, name);
  }
}

function named(module, pattern) {
  return Object.fromEntries(Object.entries(module).filter(([name]) => pattern.test(name)));
}

function sorted(rows) {
  return Object.entries(rows).sort((a, b) => (a[0] < b[0] ? -1 : 1));
}

function reasonRows(t, known) {
  t.same(known.length, reasons.NAMES.size, "as many reasons");
  for (const row of known) {
    t.same(reasons.name(row.number), row.name, row.name);
    t.same(reasons.needsMac(row.number), row.needs_mac, row.name);
  }
}

function addresses(t, known) {
  t.same(gatt.SERVICE_UUID, known.service, "service");
  t.same(gatt.RX_UUID, known.rx, "rx");
  t.same(gatt.TX_UUID, known.tx, "tx");
  t.same(gatt.NAME_PREFIX, known.name_prefix, "prefix");
  for (const row of known.names) {
    t.same(gatt.lockIdIn(row.name), row.lock_id, row.name);
    if (row.lock_id !== null) t.same(gatt.advertisedName(row.lock_id), row.name, row.name);
  }
}

// --- CBOR ---

function valueOf(made) {
  if (Array.isArray(made)) return made.map(valueOf);
  if (made === null || typeof made !== "object") return made;
  if ("bytes" in made) return unhex(made.bytes);
  if ("integer" in made) return BigInt(made.integer);
  return new Map(made.map.map(([key, item]) => [valueOf(key), valueOf(item)]));
}

async function cborItems(t, known) {
  for (const row of known.accepted) {
    const value = valueOf(row.value);
    t.same(cbor.decode(unhex(row.hex)), value, row.hex);
    t.same(hex(cbor.encode(value)), row.hex, row.hex);
  }
  for (const row of known.refused) {
    await t.refused(() => cbor.decode(unhex(row.hex)), errors.CborError, row.why);
  }
}

// --- keys and MACs ---

async function hmac(key, data) {
  return new Uint8Array(await crypto.subtle.sign("HMAC", await session.importKey(key), data));
}

async function hkdf(secret, info, length = 32, salt = new Uint8Array()) {
  const key = await crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits"]);
  const how = { name: "HKDF", hash: "SHA-256", salt, info };
  return new Uint8Array(await crypto.subtle.deriveBits(how, key, length * 8));
}

async function aesCtr(key, data) {
  const cipher = await crypto.subtle.importKey("raw", key, "AES-CTR", false, ["encrypt"]);
  const how = { name: "AES-CTR", counter: new Uint8Array(16), length: 64 };
  return new Uint8Array(await crypto.subtle.encrypt(how, cipher, data));
}

async function sha256(raw) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", raw));
}

/** The primitives of this very browser, before anything rests on them. */
async function webCrypto(t, known) {
  for (const row of known.hmac_sha256) {
    const mac = hex(await hmac(unhex(row.key), unhex(row.data)));
    t.same(mac.slice(0, row.mac.length), row.mac, "hmac");
  }
  for (const row of known.hkdf_sha256) {
    const parts = [unhex(row.secret), unhex(row.info), row.length, unhex(row.salt)];
    t.same(hex(await hkdf(...parts)), row.output, "hkdf");
  }
  for (const row of known.aes_ctr) {
    t.same(hex(await aesCtr(unhex(row.key), unhex(row.data))), row.output, "aes");
  }
}

/** What vault and lock derive: nobody's page does it, but its CBOR and HKDF must agree. */
async function derivations(t, known) {
  t.same(known.lock_private_key.length, known.vault_private_key.length, "X25519 is not ours");
  const [lockKey, vaultKey] = [unhex(known.lock_public_key), unhex(known.vault_public_key)];
  for (const row of known.kdk) {
    const info = ["kannuki-kdk", known.town, row.lock_id, row.epoch, lockKey, vaultKey];
    const kdk = await hkdf(unhex(known.shared_secret), cbor.encode(info));
    t.same(hex(kdk), row.kdk, "kdk");
  }
  const proof = known.proof_key;
  t.same(hex(await derived(proof.kdk, "kannuki-pop", proof.token)), proof.key, "proof key");
  t.same(hex(await derived(known.audit_key.kdk, "kannuki-audit")), known.audit_key.key, "audit");
  const hiding = known.audit_cipher_key;
  const cipherKey = await derived(hiding.kdk, "kannuki-audit-cipher", hiding.salt);
  t.same(hex(cipherKey), hiding.key, "audit cipher key");
  t.same(hex(await derived(known.pin_key.kdk, "kannuki-pin")), known.pin_key.key, "pin key");
  for (const row of known.key_id) {
    t.same(hex(await cose.keyId(unhex(row.public_key))), row.kid, "kid");
  }
}

function derived(kdk, label, last) {
  const info = last === undefined ? [label, 32] : [label, 32, unhex(last)];
  return hkdf(unhex(kdk), cbor.encode(info));
}

async function claiming(t, known) {
  const rawToken = unhex(known.token);
  const device = await devicePair(known.device);
  t.same(hex(await keywrap.devicePublicKey(device)), known.device.public_key, "device key");
  const server = await devicePair(known.server);
  const how = { name: "ECDH", public: device.publicKey };
  const shared = new Uint8Array(await crypto.subtle.deriveBits(how, server.privateKey, 256));
  t.same(hex(shared), known.shared, "ECDH");
  t.same(hex(await hkdf(shared, await keywrap.wrappingInfo(rawToken))), known.wrap_key, "HKDF");
  const serverKey = unhex(known.server.public_key);
  const wrapped = { serverKey, wrappedProofKey: unhex(known.wrapped) };
  const key = await keywrap.unwrap(wrapped, rawToken, device.privateKey);
  t.same([key.extractable, key.usages, key.algorithm.name], [false, ["sign"], "HMAC"], "the key");
  const signed = new Uint8Array(await crypto.subtle.sign("HMAC", key, utf8("x")));
  t.same(signed, await hmac(unhex(known.proof_key), utf8("x")), "it is the proof key");
  const row = { lock_id: "kitaguch", token: toBase64url(rawToken) };
  row.server_key = toBase64url(serverKey);
  row.wrapped_proof_key = toBase64url(wrapped.wrappedProofKey);
  const credential = await keywrap.credentialOf(row, device.privateKey);
  t.same([credential.lockId, hex(credential.token)], ["kitaguch", known.token], "credential");
  await refusedWraps(t, wrapped, rawToken, device, row);
}

async function refusedWraps(t, wrapped, rawToken, device, row) {
  const unwrap = (change, token = rawToken, privateKey = device.privateKey) =>
    keywrap.unwrap({ ...wrapped, ...change }, token, privateKey);
  const broken = (raw, at) => raw.map((byte, i) => (i === at ? byte ^ 1 : byte));
  const { serverKey, wrappedProofKey } = wrapped;
  const other = await keywrap.makeDeviceKey();
  t.same(other.privateKey.extractable, false, "a device key stays in its device");
  for (const [why, work] of [
    ["another token", () => unwrap({}, broken(rawToken, 50))],
    ["another device", () => unwrap({}, rawToken, other.privateKey)],
    ["a bit of the key", () => unwrap({ wrappedProofKey: broken(wrappedProofKey, 0) })],
    ["a bit of the tag", () => unwrap({ wrappedProofKey: broken(wrappedProofKey, 47) })],
    ["cut short", () => unwrap({ wrappedProofKey: wrappedProofKey.slice(1) })],
    ["no point of the curve", () => unwrap({ serverKey: broken(serverKey, 64) })],
    ["a compressed point", () => unwrap({ serverKey: serverKey.slice(0, 33) })],
    ["no bytes", () => unwrap({ serverKey: "04" })],
  ]) {
    await t.refused(work, errors.KeyWrapError, why);
  }
  for (const name of ["lock_id", "token", "server_key", "wrapped_proof_key"]) {
    for (const odd of [undefined, null, 7, "=", "KITAGUCH!"]) {
      const changed = () => keywrap.credentialOf({ ...row, [name]: odd }, device.privateKey);
      await t.refused(changed, errors.ProtocolError, `${name}: ${odd}`);
    }
  }
}

async function devicePair({ private_key: secret, public_key: point }) {
  const raw = unhex(point);
  const curve = { name: "ECDH", namedCurve: "P-256" };
  const [x, y] = [raw.slice(1, 33), raw.slice(33)].map(toBase64url);
  const jwk = { kty: "EC", crv: "P-256", x, y, d: toBase64url(unhex(secret)) };
  return {
    privateKey: await crypto.subtle.importKey("jwk", jwk, curve, false, ["deriveBits"]),
    publicKey: await crypto.subtle.importKey("raw", raw, curve, true, []),
  };
}

// --- fragments ---

async function fragments(t, known) {
  for (const row of known.split) {
    const message = unhex(row.message);
    const pieces = frames.fragment(message, row.max_fragment);
    t.same(pieces.map(hex), row.fragments, "split");
    const inbox = new frames.Reassembler();
    const out = pieces.map((piece) => inbox.push(piece));
    t.same(out.slice(0, -1).every((each) => each === null), true, "not before the last");
    t.same(out.at(-1), message, "joined");
  }
  for (const row of known.refused_at_the_last) {
    const inbox = new frames.Reassembler();
    const pieces = row.fragments.map(unhex);
    for (const piece of pieces.slice(0, -1)) t.same(inbox.push(piece), null, row.why);
    await t.refused(() => inbox.push(pieces.at(-1)), errors.FrameError, row.why);
  }
  for (const row of known.joined) {
    const inbox = new frames.Reassembler();
    t.same(row.fragments.map((piece) => pushed(inbox, unhex(piece))), row.comes_out, row.why);
  }
}

function pushed(inbox, piece) {
  try {
    const message = inbox.push(piece);
    return message === null ? null : hex(message);
  } catch (error) {
    if (error instanceof errors.FrameError) return false;
    throw error;
  }
}

// --- tokens ---

async function tokenRows(t, known) {
  for (const key of Object.values(known.keys)) {
    t.same(key.public_key.length, key.seed.length, "Ed25519 is not a holder's business");
  }
  for (const row of known.tokens) await tokenRow(t, row, known.keys[row.issuer]);
  for (const hours of [known.weeks, known.overlapping]) {
    const { token } = tokens.parse(unhex(hours.token));
    for (const row of hours.windows) t.same(token.window(row.t), row.window, `window at ${row.t}`);
    for (const row of hours.relations) {
      const now = new timebound.TimeBound(row.lo, row.hi);
      t.same(token.relation(now), row.relation, `${row.lo}..${row.hi}`);
    }
  }
  for (const row of known.refused) {
    await t.refused(() => tokens.parse(unhex(row.token)), FormError, row.why);
  }
}

async function tokenRow(t, row, issuer) {
  const { signed, token } = tokens.parse(unhex(row.token));
  const { weekly, cti, ...claims } = row.claims;
  const got = {
    audience: token.audience,
    not_before: token.notBefore,
    expires_at: token.expiresAt,
    issued_at: token.issuedAt,
    permissions: token.permissions,
    epoch: token.epoch,
    once: token.once,
  };
  t.same(sorted(got), sorted(claims), row.token);
  t.same(hex(token.cti), cti, "cti");
  const windows = token.weekly && [token.weekly.utcOffsetMinutes, token.weekly.windows];
  t.same(windows, weekly, "weekly");
  t.same(hex(signed.signedBytes()), row.sig_structure, "Sig_structure");
  t.same([hex(signed.kid), hex(signed.protected)], [row.kid, row.protected], "header");
  t.same(hex(await cose.keyId(unhex(issuer.public_key))), row.kid, "kid");
  t.same(hex(tokens.encodeClaims(token)), row.payload, "payload");
  const rebuilt = cose.encode(signed.kid, signed.payload, unhex(row.signature));
  t.same(hex(rebuilt), row.token, "rebuilt");
}

// --- sessions ---

const DECODE = {
  HELLO: session.decodeHello,
  CHALLENGE: session.decodeChallenge,
  PRESENTATION: session.decodePresentation,
  OUTCOME: session.decodeOutcome,
  REQUEST: session.decodeRequest,
  REPLY: session.decodeReply,
  REFUSAL: session.decodeRefusal,
};

async function wholeSession(t, known) {
  const key = await session.importKey(unhex(known.proof_key));
  const credential = { lockId: known.lock_id, token: unhex(known.token), key };
  await saysExactly(t, known, credential);
  await macsByDefinition(t, known);
  encodeAgain(t, known);
  for (const row of known.edges.taken) {
    await t.part(row.why, () => DECODE[row.type](unhex(row.message).slice(1)));
    t.truth(true, row.why);
  }
  for (const row of known.edges.refused) {
    const work = () => DECODE[row.type](unhex(row.message).slice(1));
    await t.refused(work, errors.SessionError, `${row.type}: ${row.why}`);
  }
  for (const row of known.requests) {
    const { counter, operation, argument } = session.decodeRequest(unhex(row.message).slice(1));
    t.same([counter, operation], [row.counter, session[row.name]], row.name);
    t.same(hex(session.encodeRequest(counter, operation, argument)), row.message, row.name);
  }
  const open = [...reasons.NAMES.keys()].filter(session.staysOpen);
  t.same(open, known.open_for_documents, "open for documents");
  await picksTheKeyOfTheLock(t, known);
  t.same(hex(await derivedProof(known)), known.proof_key, "the proof key");
}

function derivedProof(known) {
  const { token } = tokens.parse(unhex(known.token));
  if (token.epoch !== known.epoch) throw new Error("another epoch");
  return hkdf(unhex(known.kdk), cbor.encode(["kannuki-pop", 32, unhex(known.token)]));
}

async function saysExactly(t, known, credential) {
  const nonce = () => unhex(known.holder_nonce);
  const machine = new holder.HolderSession(credential, session.COMMAND_UNLOCK, nonce);
  t.same(hex(machine.start().message), known.hello, "HELLO");
  const said = await machine.receive(unhex(known.challenge));
  t.same(hex(said.message), known.presentation + known.mac_h, "PRESENTATION");
  t.same(hex(machine.challenge.nonce), known.lock_nonce, "the lock's nonce");
  const answer = await machine.receive(unhex(known.outcome + known.mac_l));
  t.same([answer.kind, answer.outcome?.reason], [holder.OUTCOME, session.OK], "OUTCOME");
  const asked = await machine.request(session.REQUEST_AUDIT, [0, 16]);
  t.same(hex(asked.message), known.request + known.request_mac, "REQUEST");
  const reply = await machine.receive(unhex(known.reply + known.reply_mac));
  const value = [utf8("parcel"), new Uint8Array(16)];
  t.same(reply, { kind: holder.REPLY, reason: session.OK, value }, "REPLY");
}

async function macsByDefinition(t, known) {
  const said = ["hello", "challenge", "presentation", "mac_h", "outcome"].map((n) => known[n]);
  const asked = ["transcript", "request", "reply"].map((n) => known[n]);
  const cat = (parts) =>
    unhex(parts.map((p) => (p.length / 2).toString(16).padStart(8, "0") + p).join(""));
  for (const [label, parts, mac] of [
    ["presentation", said.slice(0, 3), known.mac_h],
    ["outcome", said, known.mac_l],
    ["request", asked.slice(0, 2), known.request_mac],
    ["reply", asked, known.reply_mac],
  ]) {
    const covered = concat(utf8(known.labels[label]), await sha256(cat(parts)));
    const full = await hmac(unhex(known.proof_key), covered);
    t.same(hex(full.slice(0, 16)), mac, label);
  }
  const bound = await sha256(cat([said[0], said[1], said[2], said[4]]));
  t.same(hex(bound), known.transcript, "transcript");
}

function encodeAgain(t, known) {
  const body = (name) => unhex(known[name]).slice(1);
  t.same(hex(session.encodeHello(session.decodeHello(body("hello")))), known.hello, "HELLO");
  for (const name of ["challenge", "clock_never_set"]) {
    t.same(hex(session.encodeChallenge(session.decodeChallenge(body(name)))), known[name], name);
  }
  const { nonce, rawToken, command } = session.decodePresentation(body("presentation"));
  t.same(hex(session.encodePresentation(nonce, rawToken, command)), known.presentation, "again");
  const outcome = session.decodeOutcome(body("outcome"));
  t.same(hex(session.encodeOutcome(outcome)), known.outcome, "OUTCOME");
  const { counter, reason, value } = session.decodeReply(body("reply"));
  t.same(hex(session.encodeReply(counter, reason, value)), known.reply, "REPLY");
  const advisory = session.decodeRefusal(body("refusal"));
  t.same(hex(session.encodeRefusal(advisory)), known.refusal, "REFUSAL");
}

async function picksTheKeyOfTheLock(t, known) {
  const keys = {};
  for (const [id, raw] of Object.entries(known.group_holder.proof_keys)) {
    keys[id] = await session.importKey(unhex(raw));
  }
  const credential = { token: unhex(known.group_holder.token), keys };
  const nonce = () => unhex(known.holder_nonce);
  const machine = new holder.HolderSession(credential, session.COMMAND_UNLOCK, nonce);
  machine.start();
  const said = await machine.receive(unhex(known.challenge));
  t.same(hex(said.message), known.group_holder.message, "a group's token");
}

// --- documents ---

async function documentOf(t, row) {
  const signed = cose.decode(unhex(row.document));
  t.same(hex(signed.payload), row.payload, "payload");
  t.same(hex(signed.kid), hex(await cose.keyId(unhex(row.public_key))), row.signer);
  t.same(hex(signed.signedBytes(row.context)), row.sig_structure, row.context);
  return signed;
}

async function timeAnswers(t, known) {
  const contexts = { answer: signedtime.TIME_CONTEXT, reset: signedtime.RESET_CONTEXT };
  for (const [kind, context] of Object.entries(contexts)) {
    const row = known[kind];
    t.same(row.context, context, kind);
    const answer = signedtime.decode((await documentOf(t, row)).payload);
    const { lockId, nonce, t: at, errorS } = answer;
    const { lock_id: id, nonce: n, t: wanted, error_s: error } = row.fields;
    t.same([lockId, hex(nonce), at, errorS], [id, n, wanted, error], kind);
    t.same(hex(signedtime.encode(answer)), row.payload, kind);
    t.same(signedtime.parse(unhex(row.document)).answer, answer, kind);
  }
  t.same(signedtime.decode(unhex(known.widest)).errorS, signedtime.MAX_ERROR_S, "widest");
  for (const row of known.refused) {
    await t.refused(() => signedtime.decode(unhex(row.payload)), FormError, row.why);
  }
}

async function heldList(t, row) {
  const header = statuslist.decode((await documentOf(t, row)).payload);
  t.same(row.context, statuslist.CONTEXT, "context");
  t.same(hex(statuslist.encode(header)), row.payload, "again");
  const { lock_id: id, issued_at: issued, kept_from_hour: kept, ...rest } = row.fields;
  const { version, min_iat: minIat, count, digest } = rest;
  const got = [header.lockId, header.issuedAt, header.keptFromHour, header.version, header.count];
  t.same(got, [id, issued, kept, version, count], "fields");
  t.same(header.minIat.map(([kid, ...more]) => [hex(kid), ...more]), minIat, "min_iat");
  t.same(hex(header.digest), digest, "digest");
  return statuslist.inMemory(header, unhex(row.entries));
}

async function statusLists(t, known) {
  const status = await heldList(t, known);
  for (const row of known.questions) {
    const revoked = status.revokes(unhex(row.cti), unhex(row.kid), row.audience, row.issued_at);
    t.same(revoked, row.revoked, `${row.cti} ${row.audience}`);
  }
  for (const row of known.listed) t.same(status.lists(unhex(row.name)), row.listed, row.name);
  await deltas(t, known, status);
  for (const row of known.hours) {
    const made = statuslist.entry(unhex(row.entry).slice(0, 6), row.expires_at);
    t.same(hex(made), row.entry, "hour");
    t.same(statuslist.isKept(made, row.kept_from_hour), row.kept, `${row.kept_from_hour}`);
  }
  for (const row of known.order) {
    const check = () => statuslist.checkOrder(unhex(row.previous), unhex(row.entry));
    if (row.good) t.same(check(), undefined, row.why);
    else await t.refused(check, errors.StatusListError, row.why);
  }
  const largest = statuslist.decode(unhex(known.largest));
  t.same(largest.count, statuslist.MAX_ENTRIES, "largest");
  t.same(hex(statuslist.encode(largest)), known.largest, "largest");
  for (const row of known.refused) {
    await t.refused(() => statuslist.decode(unhex(row.payload)), FormError, row.why);
  }
}

async function deltas(t, known, status) {
  const { delta } = known;
  const newer = await heldList(t, delta);
  t.same(status.version, delta.base_version, "base");
  const kept = newer.header.keptFromHour;
  const merged = statuslist.merge(status.entries, unhex(delta.additions), kept);
  t.same(hex(merged), delta.entries, "merged");
  const cut = () => statuslist.inMemory(newer.header, merged.slice(8));
  await t.refused(cut, errors.StatusListError, "entries of another list");
  const [document, base, additions] = cbor.decode(unhex(known.ten_additions.argument));
  const { header } = statuslist.parse(document);
  t.same([header.version, base, additions.length], [900, 899, 80], "ten additions");
  t.same(known.ten_additions.argument.length / 2, known.ten_additions.bytes, "their size");
}

// --- audit ---

async function auditRecords(t, known) {
  const start = await audit.genesis(known.lock_id, known.journal_epoch);
  t.same(hex(start), known.genesis, "genesis");
  const run = known.records.map(unhex);
  const { records, head } = await audit.checkRun(run, 0, start);
  for (const [at, record] of records.entries()) recordRow(t, record, known, at);
  t.same(hex(head), known.hashes.at(-1), "head");
  t.same((await Promise.all(run.map(audit.recordHash))).map(hex), known.hashes, "hashes");
  for (const raw of known.extreme_records) {
    t.same(hex(audit.encodeRecord(audit.decodeRecord(unhex(raw)))), raw, "extreme");
  }
  for (const row of known.refused_records) {
    await t.refused(() => audit.decodeRecord(unhex(row.payload)), FormError, row.why);
  }
  for (const row of known.broken) {
    const broken = row.records.map(unhex);
    const work = () => audit.checkRun(broken, row.next_seq, unhex(row.previous));
    await t.refused(work, errors.AuditError, row.why);
  }
  await parcels(t, known);
  await heads(t, known);
}

function recordRow(t, record, known, at) {
  const fields = known.fields[at];
  t.same(hex(audit.encodeRecord(record)), known.records[at], `record ${at}`);
  const { seq, event, code, source, value } = record;
  const wanted = [fields.seq, fields.event, fields.code, fields.source, fields.value];
  t.same([seq, event, code, source, value], wanted, `record ${at}`);
  t.same(timebound.toWire(record.time), fields.time, "time");
  t.same(record.subject && hex(record.subject), fields.subject, "subject");
  t.same(hex(record.previous), fields.previous, "previous");
}

/** The vault's way with a parcel, so that the whole file is read; no page can do this. */
async function unpack(kdk, raw, seal) {
  const parcel = audit.decodeParcel(raw);
  const key = await hkdf(kdk, cbor.encode(["kannuki-audit", 32]));
  const full = await hmac(key, concat(utf8("kannuki1-audit"), await sha256(raw)));
  const info = ["kannuki-audit-cipher", 32, parcel.salt];
  const records = cbor.decode(await aesCtr(await hkdf(kdk, cbor.encode(info)), parcel.hidden));
  const isRun = Array.isArray(records) && records.every((each) => each instanceof Uint8Array);
  if (hex(full.slice(0, 16)) !== hex(seal) || !isRun || records.length !== parcel.count) {
    throw new errors.AuditError("not this lock's");
  }
  return { parcel, records };
}

async function parcels(t, known) {
  const [row, kdk] = [known.parcel, unhex(known.kdk)];
  const { parcel, records } = await unpack(kdk, unhex(row.parcel), unhex(row.seal));
  const { lockId, vaultEpoch, journalEpoch, firstSeq, salt, hidden } = parcel;
  const said = [known.lock_id, known.vault_epoch, known.journal_epoch, row.first_seq, row.salt];
  t.same([lockId, vaultEpoch, journalEpoch, firstSeq, hex(salt)], said, "parcel");
  t.same(records.map(hex), known.records, "records");
  t.same([hex(hidden), hex(cbor.encode(records))], [row.hidden, row.plain], "hidden");
  t.same(hex(await hkdf(kdk, cbor.encode(["kannuki-audit", 32]))), known.audit_key, "audit key");
  const info = ["kannuki-audit-cipher", 32, salt];
  t.same(hex(await hkdf(kdk, cbor.encode(info))), row.cipher_key, "cipher key");
  const empty = await unpack(kdk, unhex(row.empty), unhex(row.empty_seal));
  t.same([empty.records, empty.parcel.count], [[], 0], "empty");
  for (const each of known.refused_parcels) {
    const work = () => unpack(kdk, unhex(each.payload), unhex(each.seal));
    await t.refused(work, FormError, each.why);
  }
}

async function heads(t, known) {
  const { ack, head } = known;
  t.same([ack.context, head.context], [audit.ACK_CONTEXT, audit.HEAD_CONTEXT], "contexts");
  const acknowledged = audit.decodeAck((await documentOf(t, ack)).payload);
  const said = audit.decodeHead((await documentOf(t, head)).payload);
  t.same(audit.parseAck(unhex(ack.document)).head, acknowledged, "ack");
  t.same(audit.parseHead(unhex(head.document)).head, said, "head");
  t.same(hex(audit.encodeAck(acknowledged)), ack.payload, "ack");
  t.same(hex(audit.encodeHead(said)), head.payload, "head");
  t.same(hex(said.nonce), head.nonce, "nonce");
  for (const [made, { fields }] of [[acknowledged, ack], [said, head]]) {
    const wanted = [fields.lock_id, fields.journal_epoch, fields.seq, fields.record_hash];
    t.same([made.lockId, made.journalEpoch, made.seq, hex(made.recordHash)], wanted, "head");
  }
  for (const row of known.refused_acks) {
    await t.refused(() => audit.decodeAck(unhex(row.payload)), FormError, row.why);
  }
  for (const row of known.refused_heads) {
    await t.refused(() => audit.decodeHead(unhex(row.payload)), FormError, row.why);
  }
}
