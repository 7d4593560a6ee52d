// The key page, put together: store, town, radio, screen. Reads the clock; opens only on a press.
//
// Decides when the town is asked (first look, coming back, signal found) and that a link's secret
// leaves the address bar as soon as its key is held. What is shown: state.js; how: view.js.

import { appOf, NAMES, outside } from "./browsers.js";
import { townFor, prefetch } from "./carry.js";
import { handOver } from "./handover.js";
import * as state from "./state.js";
import { openStore } from "./store.js";
import { createView } from "./view.js";
import { cardOf, collect, linkOf, refresh, REFRESH_EVERY_S, secretOf, wordsOf } from "./wallet.js";
import { wakeWorker, startWorker } from "./worker.js";
import { BluetoothLink, support } from "../protocol/bluetooth.js";
import { attempt } from "../protocol/opening.js";
import { RelayLink } from "../protocol/relay.js";
import { COMMAND_LOCK, COMMAND_UNLOCK, COMMAND_UNLOCK_REMOTE } from "../protocol/session.js";
import { ApiProblem, call, Offline } from "../shared/api.js";
import { h } from "../shared/dom.js";
import { ask, field } from "../shared/parts.js";
import { arrive, startShell } from "../shared/shell.js";
import { LANGUAGES, t, theirs } from "../shared/texts.js";

const COMMANDS = {
  unlock: { bluetooth: COMMAND_UNLOCK, relay: COMMAND_UNLOCK_REMOTE },
  lock: { bluetooth: COMMAND_LOCK, relay: COMMAND_LOCK },
};
const TOWN_WITHIN_MS = 8000;
const LISTEN_EVERY_MS = 15_000; // while there was no signal
const DOOR = /^\/d\/([a-z2-7]{8})\/?$/;

let situation = state.initial({
  doorId: DOOR.exec(location.pathname)?.[1] ?? null,
  browser: appOf({
    userAgent: navigator.userAgent,
    standalone: navigator.standalone === true || matchMedia("(display-mode: standalone)").matches,
    hasServiceWorker: "serviceWorker" in navigator,
  }),
  can: { radio: "absent", network: navigator.onLine, keep: true },
});
const records = new Map(); // what the store holds, at hand for a press
const chosenDoors = new Map(); // {key id: lock id} where a key opens several
let carrying = null; // ends the conversation that may still carry something
let store = null;
let secret = null;
let town = { name: null, aheadS: 0 }; // aheadS: how far the town's clock is ahead of this device's
let shell = null;
let view = null;

const now = () => Math.floor(Date.now() / 1000) + town.aheadS;

function dispatch(event) {
  situation = state.next(situation, event);
  draw();
}

function draw() {
  if (shell === null) return;
  const picture = state.view(situation, now());
  view.draw(shell.main, EXTRAS[picture.screen]?.(picture) ?? picture);
}

const EXTRAS = {
  browser: (picture) => ({ ...picture, name: NAMES[picture.app] ?? null, outside: outside(picture.app, location.href) }),
  door: (picture) => ({ ...picture, words: doorWords }),
};
let doorWords = null;

const current = () => state.shown(situation, now());
const recordNow = () => records.get(current()?.id);

// ---- presses

const act = {
  claim: () => (situation.claim.phase === "working" ? null : report(claim())),
  press: () => open("unlock"),
  lock: () => open("lock"),
  openBy: (way) => open("unlock", way),
  try: () => open("unlock", "try"),
  again: ({ command, way }) => open(command ?? "unlock", way),
  refresh: () => renew(recordNow()),
  choose,
  chooseDoor: (lockId) => chosenDoors.set(current().id, lockId),
  stay: () => dispatch({ kind: "stays" }),
  copyLink: (event) => copy(location.href, event.currentTarget),
  myKeys,
  newLink: () => askForLink(recordNow()?.id),
  notMe: () => notMe(secret),
  needsSignal: () => shell.say(t("ui.offline")),
  tool: (name) => TOOLS[name](recordNow()),
};

async function claim() {
  dispatch({ kind: "claiming" });
  let record;
  try {
    record = await collect(store, call, secret, now());
  } catch (error) {
    dispatch({ kind: "refused", ...told(error) });
    return;
  }
  hold(record);
  dropFragment();
  dispatch({ kind: "claimed", key: cardOf(record), at: now() });
  focusHeading();
  report(navigator.storage?.persist?.());
  await prefetch(store, [record], now());
}

/** {code, texts} of what went wrong with the town; a fault of ours is told as one and goes up. */
function told(error) {
  if (error instanceof Offline) return { code: "OFFLINE" };
  if (error instanceof ApiProblem) return { code: error.code, texts: error.texts };
  queueMicrotask(() => {
    throw error;
  });
  return { code: typeof error?.code === "string" ? error.code : "FAULT" };
}

async function open(command, wanted = null) {
  const key = current();
  const what = state.press(situation, key, now(), wanted);
  if (what.do === "explain") {
    dispatch({ kind: "explained", code: what.code });
    if (!situation.can.network) report(lookAround());
  }
  if (what.do !== "open") return;
  dispatch({ kind: "pressed", way: what.way, command });
  carrying?.abort(); // one conversation at a time: the next visit carries the rest
  const record = records.get(key.id);
  const lockId = chosenDoors.get(key.id) ?? record.credentials[0].lockId;
  const credential = record.credentials.find((each) => each.lockId === lockId);
  carrying = new AbortController();
  const result = await tryDoor(credential, record, what.way, command);
  const { code, granted, opensAt, door, texts } = result;
  dispatch({ kind: "outcome", result: { code, granted, opensAt, door, texts }, at: now() });
  await aftermath(record, result);
}

async function tryDoor(credential, record, way, command) {
  const { lockId } = credential;
  const town = way === "bluetooth" ? townFor(store, record, lockId, situation.can.network) : null;
  const onProgress = (step) => dispatch({ kind: "progress", step });
  try {
    return await attempt(linkTo(way, lockId, record), credential, COMMANDS[command][way], {
      town, onProgress, signal: carrying.signal,
    });
  } catch (error) {
    dispatch({ kind: "outcome", result: { code: "FAULT", granted: false }, at: now() });
    throw error;
  }
}

const linkTo = (way, lockId, { ticket }) => (way === "relay" ? new RelayLink({ lockId, ticket }) : new BluetoothLink(lockId));

async function aftermath(record, result) {
  if (result.code.startsWith("BLUETOOTH_")) await noteRadio();
  if (result.code === "REVOKED" && result.authentic) await withdrawn(record);
  const { parcels } = await result.after;
  if (parcels > 0 || !situation.can.network) await wakeWorker();
}

/** The lock says that this token is withdrawn: the town may have made another one for this link. */
async function withdrawn(record) {
  if (situation.can.network && (await renew(record))) return;
  const held = await store.changeKey(record.id, { gone: "REVOKED" });
  if (held && !records.get(record.id)?.gone) keep(held);
}

async function renew(record) {
  const { record: fresh, renewed, code } = await refresh(store, call, record, now());
  keep(fresh);
  if (renewed) dispatch({ kind: "notice", code: "KEY_CHANGED", at: now() });
  else if (code) dispatch({ kind: "outcome", result: { code, granted: false }, at: now() });
  return renewed;
}

function choose(id) {
  dispatch({ kind: "choose", id });
  focusHeading();
}

function myKeys() {
  dropFragment();
  dispatch({ kind: "unlinked" });
  const first = state.ordered(situation.keys, now())[0];
  if (first) choose(first.id);
}

function focusHeading() {
  const heading = shell.main.querySelector("h1");
  if (heading) arrive(heading, t("key.title"), town.name);
}

/** Browsers inside apps often forbid the clipboard: then the old way, then letters to mark by hand. */
async function copy(text, button) {
  if (!(await toClipboard(text)) && !copyMarked(text)) {
    await tell(t("key.link"), h("span", { class: "link-text mono" }, text));
    return;
  }
  button.textContent = t("key.copied");
  shell.say(t("key.copied"));
}

async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

function copyMarked(text) {
  const letters = h("textarea", { class: "visually-hidden", readonly: true, "aria-hidden": "true" }, text);
  (document.querySelector("dialog[open]") ?? document.body).append(letters);
  letters.select();
  const done = document.execCommand("copy");
  letters.remove();
  return done;
}

// ---- tools: each is asked for first

const TOOLS = {
  slip: () => window.print(),
  "hand-over": (record) => handOver(record, copy),
  cancel: (record) => cancel(record),
  "not-me": (record) => notMe(record.secret, record),
  forget: (record) => forgetKey(record),
};

async function cancel(record) {
  const done = await ask({
    title: t("key.cancel"), body: h("p", {}, t("key.cancel_lead")), yes: t("key.cancel_do"), no: t("key.keep"), bad: true,
    act: () => call("POST", "/v1/keys/cancel", { secret: record.secret }),
  });
  if (done) await afterwards(record, "BOOKING_CANCELLED");
}

/** Stops what was collected with a link and tells staff; a new link goes to the contact alone. */
async function notMe(shownSecret, record = null) {
  const title = t(record ? "key.not_me" : "key.not_collected");
  const told = await ask({
    title, body: h("p", {}, t("key.not_me_lead")), yes: t("key.not_me_do"), no: t("key.keep"), bad: true,
    act: () => call("POST", "/v1/keys/dispute", { secret: shownSecret }),
  });
  if (!told) return;
  if (record) await afterwards(record, "KEY_REPLACED");
  else myKeys();
  await tell(title, t(told.mailed ? "key.not_me_mailed" : "key.not_me_done"));
}

/** Asks the town to send a new link to the contact of a booking; it never says whether there is one. */
async function askForLink(known = "") {
  const reference = h("input", { class: "input", name: "reference", autocomplete: "off", value: known, maxlength: "40" });
  const contact = h("input", { class: "input", name: "contact", autocomplete: "email", maxlength: "200" });
  const told = await ask({
    title: t("key.new_link"), yes: t("key.new_link_do"), no: t("key.keep"),
    body: h("div", { class: "stack" }, h("p", {}, t("key.new_link_lead")),
      field({ id: "reference", label: t("key.reference") }, reference), field({ id: "contact", label: t("key.contact") }, contact)),
    act: () => call("POST", "/v1/keys/again", { reference: reference.value.trim(), contact: contact.value.trim() }),
  });
  if (told) await tell(t("key.new_link"), theirs(told) ?? t("LINK_ON_ITS_WAY"));
}

const tell = (title, words) => ask({ title, body: h("p", { role: "status" }, words), yes: t("key.close"), no: null });

/** A key that was given away or up stays on the screen with the reason why it opens no more. */
async function afterwards(record, gone) {
  const held = await store.changeKey(record.id, { gone });
  if (held) keep(held);
  dispatch({ kind: "choose", id: record.id });
}

async function forgetKey(record) {
  const done = await ask({
    title: t("key.forget"), body: h("p", {}, t("key.forget_lead")), yes: t("key.forget"), no: t("key.keep"), bad: true,
    act: async () => (await store.forget(record.id), true),
  });
  if (!done) return;
  records.delete(record.id);
  dispatch({ kind: "forgot", id: record.id });
  focusHeading();
}

// ---- what this device holds

function hold(record) {
  records.set(record.id, record);
}

function keep(record) {
  hold(record);
  dispatch({ kind: "kept", key: cardOf(record) });
}

async function loadKeys() {
  const held = await store.keys();
  for (const id of state.outworn(held, now())) await store.forget(id);
  for (const record of await store.keys()) hold(record);
  dispatch({ kind: "loaded", keys: [...records.values()].map(cardOf) });
}

/** A link in the address: a key that is held already is shown, a new one is offered. */
async function takeLink() {
  secret = secretOf(location.hash);
  if (secret === null) return situation.secret ? dispatch({ kind: "unlinked" }) : null;
  const link = await linkOf(secret);
  const held = [...records.values()].find((record) => record.link === link);
  if (!held) return dispatch({ kind: "linked" });
  dropFragment();
  dispatch({ kind: "choose", id: held.id });
}

function dropFragment() {
  history.replaceState(null, "", location.pathname === "/" ? "/" : location.pathname);
}

// ---- the town and the radio

async function lookAround(isFirst = false) {
  if (!(await hearTown())) return;
  const due = [...records.values()].filter((record) => isDue(record, isFirst));
  for (const record of due) {
    const { record: fresh, renewed } = await refresh(store, call, record, now());
    keep(fresh);
    if (renewed) dispatch({ kind: "notice", code: "KEY_CHANGED", at: now() });
  }
  await prefetch(store, [...records.values()].filter(isAlive), now());
  await wakeWorker();
}

const isAlive = (record) => !record.gone && now() < record.closesAt;

const isDue = (record, isFirst) =>
  isAlive(record) && record.secret && (isFirst || now() - record.checkedAt >= REFRESH_EVERY_S);

/** Whether the town answers: the only news of the network that counts. Sets our clock by its own. */
async function hearTown() {
  try {
    const before = Date.now();
    const answer = await call("GET", "/v1/town", null, { timeoutMs: TOWN_WITHIN_MS });
    const aheadS = Math.round(answer.now - (before + Date.now()) / 2000);
    town = { name: answer.name || null, aheadS: Math.abs(aheadS) <= 2 ? 0 : aheadS };
    await store?.putFact("town", town);
    shell.update();
    dispatch({ kind: "clock" });
  } catch (error) {
    if (!(error instanceof Offline || error instanceof ApiProblem)) throw error;
    if (error instanceof Offline) return hasNetwork(false);
  }
  return hasNetwork(true);
}

function hasNetwork(is) {
  if (situation.can.network !== is) dispatch({ kind: "network", is });
  return is;
}

async function noteRadio() {
  dispatch({ kind: "radio", is: await support() });
}

async function describeDoor() {
  if (situation.doorId === null || current()) return;
  doorWords = await wordsInAll(["key.door_lead", "key.door_have_link", "key.door_book"]);
  let door = {};
  try {
    door = await call("GET", `/v1/doors/${situation.doorId}`);
    door.words = wordsOf(door);
  } catch (error) {
    if (!(error instanceof Offline || error instanceof ApiProblem)) throw error;
  }
  dispatch({ kind: "door", door });
}

async function wordsInAll([lead, link, book]) {
  const tables = await Promise.all(LANGUAGES.map(async (lang) => (await fetch(`/texts/${lang}.json`)).json()));
  return LANGUAGES.map((lang, at) => ({ lang, lead: tables[at][lead], link: tables[at][link], book: tables[at][book] }));
}

// ---- beginning

async function begin() {
  view = createView({
    act,
    say: (words) => shell?.say(words),
    arrive: (heading, hasMoved) => arrive(heading, t("key.title"), town.name, { focus: hasMoved }),
  });
  try {
    store = await openStore();
    town = { ...town, ...(await store.fact("town")) };
  } catch {
    situation = { ...situation, can: { ...situation.can, keep: false } };
  }
  shell = await startShell({
    name: () => t("key.title"),
    town: () => town.name,
    render: () => {
      view.forget();
      draw();
    },
  });
  listen();
  if (store === null) return dispatch({ kind: "loaded", keys: [] });
  await noteRadio(); // before a press could take another way than the person's phone has
  await loadKeys();
  await takeLink();
  await Promise.all([describeDoor(), lookAround(true), startWorker()]);
  await wakeWorker();
}

function listen() {
  setInterval(draw, 1000);
  setInterval(() => {
    if (!situation.can.network && document.visibilityState === "visible") report(lookAround());
  }, LISTEN_EVERY_MS);
  addEventListener("online", () => report(lookAround()));
  addEventListener("offline", () => hasNetwork(false));
  addEventListener("hashchange", () => report(store && takeLink()));
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") report(store && lookAround());
  });
  navigator.bluetooth?.addEventListener?.("availabilitychanged", () => report(noteRadio()));
}

/** Nobody waits for it; a fault of ours is still heard. */
function report(work) {
  Promise.resolve(work).catch((error) => {
    throw error;
  });
}

report(begin());
