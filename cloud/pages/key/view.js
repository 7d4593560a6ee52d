// Draws a picture of state.js. Decides nothing but how it looks and what is spoken.
//
// Each part of the screen is drawn anew only when what it shows has changed, so the focus, an open
// box and a screen reader's place survive the clock. The big button is one element for good. What a
// press brings is spoken once, politely; the countdown is not.

import { h, replace, svg } from "../shared/dom.js";
import { badge, digitGroups, facts, icon } from "../shared/parts.js";
import { has, htmlLang, lang, t, theirs } from "../shared/texts.js";
import { clock, day, dayAndClock, hours, iso, span } from "../shared/time.js";

/**
 * `act`: what a press does, by name (app.js). Gives {draw(main, picture), forget()}; `say(text)`
 * speaks; after `forget` (another language) everything is drawn anew.
 */
export function createView({ act, say, arrive }) {
  let parts = new Map();
  let spoken = null;

  function part(name, data, build) {
    const seen = JSON.stringify([lang(), data]);
    const held = parts.get(name) ?? { node: h("div", { class: `part part-${name}` }), seen: null };
    parts.set(name, held);
    if (held.seen !== seen) {
      keepFocus(held.node, () => replace(held.node, build()));
      held.seen = seen;
    }
    return held.node;
  }

  /** Parts that stand together; the same nodes stay where they are. */
  part.group = (name, nodes) => {
    const held = parts.get(name) ?? { node: h("div", { class: `group group-${name}` }) };
    parts.set(name, held);
    if (!same([...held.node.childNodes], nodes)) replace(held.node, nodes);
    return held.node;
  };

  function draw(main, picture) {
    const nodes = SCREENS[picture.screen](picture, part, act);
    const screen = `screen screen-${picture.screen}`;
    const root = main.firstElementChild;
    if (root?.className === screen && same([...root.childNodes], nodes)) return speak(picture);
    replace(main, h("div", { class: screen }, nodes));
    const heading = main.querySelector("h1");
    if (heading) arrive(heading, isAfterAPress(root));
    return speak(picture);
  }

  /** Tells what a press brought; the same words again when a press brought them again. */
  function speak({ says }) {
    const news = says?.again === undefined ? null : JSON.stringify([says.code, says.again, lang()]);
    if (news === spoken) return;
    spoken = news;
    say(news === null ? "" : wordsOf(says));
  }

  return {
    draw,
    forget() {
      parts = new Map();
    },
  };
}

/** The first screen does not take the focus: nobody has left anything for it. */
const isAfterAPress = (root) => root !== null && !root.classList.contains("screen-loading");

const same = (a, b) => a.length === b.length && a.every((each, at) => each === b[at]);

function keepFocus(node, redraw) {
  const id = node.contains(document.activeElement) ? document.activeElement.id : "";
  const open = [...node.querySelectorAll("details[open]")].map((each) => each.id);
  redraw();
  open.forEach((each) => document.getElementById(each)?.setAttribute("open", ""));
  if (id) document.getElementById(id)?.focus();
}

/** The words of a sentence of state.js. */
export function wordsOf({ code, params = {}, texts = null }) {
  const own = theirs(texts);
  if (own) return own;
  const filled = Object.entries(params).map(([name, value]) => [name, place(value)]);
  return t(has(code) ? code : "REFUSED", Object.fromEntries(filled));
}

function place(value) {
  if (value?.time !== undefined) return dayAndClock(value.time);
  return typeof value === "object" ? theirs(value) : value;
}

/** What the town calls it in the reader's language, and the language that is. */
function called(key, what, plain) {
  const own = theirs(key.words?.[what]);
  const isJapanese = lang() === "en" && (!own || own !== key.words[what].en);
  return { text: own || plain, props: isJapanese ? { lang: "ja" } : {} };
}

const SCREENS = {
  loading: (_, part) => [part("loading", 0, () => h("p", { class: "loading" }, t("key.loading")))],
  claim: (picture, part, act) => [
    part("claim-head", picture.phase === "refused", () => [
      h("h1", { class: "page-title" }, t("key.claim_title")),
      picture.phase === "refused" ? null : h("p", { class: "lead" }, t("key.claim_lead")),
    ]),
    part("claim-do", [picture.phase, picture.says, picture.helps], () => claimBody(picture, act)),
  ],
  key: keyScreen,
  door: (picture, part, act) => [part("door", picture, () => doorBody(picture, act))],
  empty: (picture, part, act) => [part("empty", picture, () => emptyBody(picture, act))],
  browser: (picture, part, act) => [part("browser", picture, () => browserBody(picture, act))],
};

// ---- collecting

function claimBody(picture, act) {
  if (picture.phase === "refused") return [box("bad", wordsOf(picture.says)), claimHelps(picture, act)];
  const working = picture.phase === "working";
  return [
    h("button", {
      id: "claim", type: "button", class: "button button-big button-wide claim-button",
      "aria-busy": working ? "true" : null, onclick: working ? () => {} : act.claim,
    }, icon("key"), t(working ? "key.claiming" : "key.claim")),
    h("p", { class: "claim-once" }, icon("phone"), h("span", {}, t("key.claim_once"))),
  ];
}

function claimHelps({ helps }, act) {
  return h("div", { class: "helps" }, helps.map((help) => CLAIM_HELPS[help.do](act)));
}

const CLAIM_HELPS = {
  claim: (act) => h("button", { id: "claim", type: "button", class: "button", onclick: act.claim }, t("key.claim_again")),
  "my-keys": (act) => h("button", { type: "button", class: "button button-second", onclick: act.myKeys }, t("key.my_keys")),
  "new-link": (act) => [
    h("p", {}, t("key.new_link_lead")),
    h("button", { id: "help-new-link", type: "button", class: "button", onclick: act.newLink }, t("key.new_link")),
  ],
  "not-me": (act) => h("button", { id: "help-not-me", type: "button", class: "button button-second", onclick: act.notMe }, t("key.not_collected")),
};

// ---- the key

function keyScreen(picture, part, act) {
  const { key, phase, button, says } = picture;
  const face = { phase, minutesLeft: picture.minutesLeft };
  const front = [
    part("head", [key.room, key.facility, key.title, key.words, key.startsAt, key.endsAt, face], () => head(key, face)),
    part("doors", [key.id, key.doors], () => doors(key, act)),
    gate(part, button, act),
    part("says", says, () => (says.code === "key.ready" ? null : box(says.tone, wordsOf(says)))),
    part("helps", picture.helps, () => helps(picture.helps, act)),
    part("lock", [picture.canLock, picture.button.state], () => lockButton(picture, act)),
    part("signal", [picture.network, picture.radio], () => signal(picture)),
  ];
  const side = [
    part("pin", [key.id, key.pin], () => pin(key)),
    part("find", [key.id, key.howToFind, key.address, key.words], () => find(key)),
    part("trouble", [key.phone, Boolean(key.pin)], () => trouble(key)),
    part("others", picture.others.map((each) => [each.key.id, each.key.room, each.phase]), () => others(picture, act)),
    part("tools", [key.id, picture.tools], () => tools(picture, act)),
  ];
  return [part.group("front", front), part.group("side", side), part("slip", key, () => slip(key))];
}


const BADGES = { early: "wait", open: "good", ended: "", gone: "bad" };

function head(key, { phase, minutesLeft }) {
  const [room, facility] = [called(key, "room", key.room), called(key, "facility", key.facility)];
  return [
    h("p", { class: "key-facility", ...facility.props }, facility.text),
    h("h1", { class: "key-room", ...room.props }, room.text || t("key.title")),
    key.title && h("p", { class: "key-title" }, key.title),
    h("p", { class: "key-window" },
      h("time", { datetime: iso(key.startsAt), class: "key-day" }, day(key.startsAt)),
      " ",
      h("span", { class: "key-hours" }, hours(key.startsAt, key.endsAt))),
    h("p", { class: "key-phase" }, badge(BADGES[phase], t(`key.phase_${phase}`)),
      phase === "early" && minutesLeft !== null && h("span", { class: "soft" },
        t("key.usable_from", { opens: when(key.opensAt, key.startsAt), closes: when(key.closesAt, key.startsAt) }))),
  ];
}

const when = (unixS, besides) => (day(unixS) === day(besides) ? clock(unixS) : dayAndClock(unixS));

function doors(key, act) {
  if (key.doors.length < 2) return null;
  return h("fieldset", { class: "doors" },
    h("legend", { class: "label" }, t("key.doors")),
    key.doors.map((door, at) => h("label", { class: "choice choice-card" },
      h("input", {
        type: "radio", name: "door", value: door.lockId, checked: at === 0,
        onchange: () => act.chooseDoor(door.lockId),
      }),
      door.name ?? t("key.door_number", { number: at + 1 }))));
}

/** The big button: made once for the screen, then only its words and its look change. */
function gate(part, button, act) {
  const node = part("gate", 0, () => h("button", { id: "gate", type: "button", class: "gate", onclick: act.press },
    gatePicture(), h("span", { class: "gate-label" }), h("span", { class: "gate-hint" })));
  const gateButton = node.firstElementChild;
  gateButton.dataset.state = button.state;
  gateButton.setAttribute("aria-busy", String(button.state === "working"));
  setWords(gateButton.querySelector(".gate-label"), t(button.label));
  setWords(gateButton.querySelector(".gate-hint"), button.hint ? t(button.hint, button.params) : "");
  return node;
}

function setWords(node, words) {
  if (node.textContent !== words) node.textContent = words;
}

/** 閂: a gate and the bolt across it. */
function gatePicture() {
  return svg("svg", { class: "gate-picture", viewBox: "0 0 120 96", "aria-hidden": "true", focusable: "false" },
    svg("g", { class: "gate-left" }, svg("path", { d: "M26 10v78M26 10h26v24H26M26 22h26" })),
    svg("g", { class: "gate-right" }, svg("path", { d: "M94 10v78M94 10H68v24h26M94 22H68" })),
    svg("rect", { class: "gate-bolt", x: "8", y: "50", width: "104", height: "16", rx: "6" }));
}

const TONES = { calm: "info", good: "good", wait: "wait", bad: "bad" };
const TONE_ICONS = { calm: "key", good: "check", wait: "clock", bad: "alert" };

function box(tone, words) {
  return h("div", { class: `alert alert-${TONES[tone]} says says-${tone}` }, icon(TONE_ICONS[tone]), h("p", {}, sentences(words)));
}

/** A line rather ends between two sentences than within a word. */
function sentences(words) {
  const each = words.split(/(?<=。)\s*|(?<=\. )/).filter(Boolean);
  return each.map((one) => [h("span", { class: "sentence" }, one), " "]);
}

function helps(list, act) {
  return list.length ? h("div", { class: "helps" }, list.map((help, at) => HELPS[help.do](help, act, at === 0))) : null;
}

const kind = (first) => (first ? "button" : "button button-second");

const HELPS = {
  again: (help, act, first) => h("button", { id: "help-again", type: "button", class: kind(first), onclick: () => act.again(help) }, t("key.again")),
  try: (_, act) => h("button", { id: "help-try", type: "button", class: "button button-second", onclick: () => act.try() }, t("key.try")),
  relay: (_, act, first) => h("div", { class: "help" },
    h("button", { id: "help-relay", type: "button", class: kind(first), "aria-describedby": "help-relay-lead", onclick: () => act.openBy("relay") }, t("key.relay")),
    h("p", { id: "help-relay-lead", class: "hint" }, t("key.relay_lead"))),
  bluetooth: (_, act, first) => h("button", { id: "help-bluetooth", type: "button", class: kind(first), onclick: () => act.openBy("bluetooth") }, t("key.bluetooth")),
  refresh: (_, act, first) => h("button", { id: "help-refresh", type: "button", class: kind(first), onclick: act.refresh }, t("key.refresh")),
  "new-link": (_, act, first) => h("button", { id: "help-new-link", type: "button", class: kind(first), onclick: act.newLink }, t("key.new_link")),
  switch: (help, act) => h("button", { id: "help-switch", type: "button", class: "button", onclick: () => act.choose(help.id) }, t("key.switch", { room: place(help.room) })),
  pin: () => h("button", { id: "help-pin", type: "button", class: "button button-second", onclick: () => reveal("pin-box") }, t("key.pin_show")),
  find: () => h("button", { id: "help-find", type: "button", class: "button button-second", onclick: () => reveal("find-box") }, t("key.find_show")),
  phone: (help) => phoneLink(help.phone),
};

function phoneLink(phone) {
  return h("a", { class: "button button-second", href: `tel:${phone.replace(/[^+\d]/g, "")}` },
    handset(), h("span", {}, t("key.phone"), " ", h("span", { class: "nowrap" }, phone)));
}

/** The receiver of a telephone; the shared icon named phone is one that shows pages. */
function handset() {
  return svg("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: "M6.5 3.5 9.6 4l1.2 4.4-2.4 1.7a11.6 11.6 0 0 0 5.5 5.5l1.7-2.4 4.4 1.2.5 3.1c-.4 1.9-1.9 3-4 2.9C9.6 19.7 4.3 14.4 3.6 7.5c-.1-2.1 1-3.6 2.900-4Z" }));
}

function reveal(id) {
  const details = document.getElementById(id);
  if (!details) return;
  details.open = true;
  details.querySelector("summary").focus();
  details.scrollIntoView({ block: "nearest" });
}

function lockButton({ canLock, button }, act) {
  if (!canLock && button.state !== "working") return null;
  return h("button", {
    id: "lock", type: "button", class: "button button-second lock-button",
    "aria-disabled": canLock ? null : "true", onclick: canLock ? act.lock : () => {},
  }, t("key.lock"));
}

function signal({ network, radio }) {
  if (network) return null;
  return h("p", { class: "signal" }, icon("alert"),
    h("span", {}, t(radio === "ready" ? "key.no_signal" : "key.no_signal_relay")));
}

function pin(key) {
  if (!key.pin) return null;
  return h("details", { id: "pin-box" },
    h("summary", {}, t("key.pin")),
    h("div", { class: "pin" },
      pinNumber(key.pin, "p"),
      h("p", {}, t("key.pin_lead")),
      key.pinFrom && h("p", {}, pinTimes(key))));
}

/** Seen in groups, spoken digit by digit. */
function pinNumber(digits, tag) {
  return h(tag, { class: "pin-number" },
    h("span", { class: "visually-hidden" }, [...digits].join(" ")),
    digitGroups(digits).map((group) => h("span", { class: "pin-group", "aria-hidden": "true" }, group)));
}

const pinTimes = (key) =>
  t("key.pin_times", { opens: when(key.pinFrom, key.startsAt), closes: when(key.pinUntil, key.startsAt) });

function find(key) {
  const { text, props } = called(key, "how_to_find", key.howToFind);
  if (!text && !key.address) return null;
  return h("details", { id: "find-box", open: true },
    h("summary", {}, t("key.find")),
    h("div", { class: "find", ...props }, lines(key.address, text).map((line) => h("p", {}, line))));
}

const lines = (...parts) => parts.filter(Boolean).flatMap((part) => part.split("\n"));

function trouble(key) {
  const steps = ["key.trouble_1", "key.trouble_2", key.pin && "key.trouble_3", "key.trouble_4"];
  return h("details", { id: "trouble-box" },
    h("summary", {}, t("key.trouble")),
    h("div", { class: "stack" },
      h("ol", { class: "steps" }, steps.filter(Boolean).map((code) => h("li", {}, t(code)))),
      key.phone && phoneLink(key.phone)));
}

function others({ others: list }, act) {
  if (!list.length) return null;
  return h("section", { class: "others", "aria-labelledby": "others-title" },
    h("h2", { id: "others-title" }, t("key.others")),
    h("ul", { class: "plain-list" }, list.map(({ key, phase }) => h("li", {},
      h("button", { id: `key-${key.id}`, type: "button", class: "other", onclick: () => act.choose(key.id) },
        otherRoom(key),
        h("span", { class: "other-window" }, span(key.startsAt, key.endsAt)),
        badge(BADGES[phase], t(`key.phase_${phase}`)))))));
}

function otherRoom(key) {
  const { text, props } = called(key, "room", key.room);
  return h("span", { class: "other-room", ...props }, text || t("key.title"));
}

const TOOLS = {
  slip: ["key.slip", "print"],
  "hand-over": ["key.hand_over", "phone"],
  cancel: ["key.cancel", "close"],
  "not-me": ["key.not_me", "alert"],
  forget: ["key.forget", "close"],
};

function tools({ tools: list }, act) {
  return h("section", { class: "tools", "aria-labelledby": "tools-title" },
    h("h2", { id: "tools-title" }, t("key.more")),
    h("ul", { class: "plain-list" }, list.map((tool) => h("li", {},
      h("button", {
        id: `tool-${tool.do}`, type: "button", class: "tool", "aria-disabled": tool.needs ? null : "true",
        onclick: tool.needs ? () => act.tool(tool.do) : act.needsSignal,
      }, icon(TOOLS[tool.do][1]), t(TOOLS[tool.do][0]))))));
}

/** Paper for who has no phone: never the link's secret. */
function slip(key) {
  const [room, facility] = [called(key, "room", key.room), called(key, "facility", key.facility)];
  const way = called(key, "how_to_find", key.howToFind);
  return h("section", { class: "slip only-print" },
    h("h2", {}, t("key.slip_title")),
    facts([
      [t("key.room"), h("span", room.props, [facility.text, room.text].filter(Boolean).join(" "))],
      [t("key.window"), [day(key.startsAt, { year: true }), " ", h("span", { class: "nowrap" }, hours(key.startsAt, key.endsAt))]],
      [t("key.find"), (way.text || key.address) && h("span", { class: "lines", ...way.props }, lines(key.address, way.text).join("\n"))],
      [t("key.pin"), key.pin && pinNumber(key.pin, "span")],
      [t("key.phone_number"), key.phone],
    ]),
    h("p", {}, t(key.pin ? "key.slip_how" : "key.slip_no_number"), " ", key.pin && key.pinFrom && pinTimes(key)),
    key.pin && h("p", {}, t("key.slip_note")));
}

// ---- no key here

function emptyBody({ network }, act) {
  return [
    h("h1", { class: "page-title" }, t("key.empty_title")),
    h("p", { class: "lead" }, t("key.empty_lead")),
    h("div", { class: "card stack" },
      h("p", {}, t("key.empty_lost")),
      h("button", { id: "help-new-link", type: "button", class: "button button-second", onclick: network ? act.newLink : act.needsSignal }, t("key.new_link"))),
  ];
}

/** A sticker's door, for whoever scans it: in all three languages, whatever the browser's is. */
function doorBody({ door, words, others: held }, act) {
  if (door === null) return h("p", { class: "loading" }, t("key.loading"));
  const [room, facility] = [called(door, "room", door.room), called(door, "facility", door.facility)];
  return [
    h("p", { class: "key-facility", ...facility.props }, facility.text || t("key.door_title")),
    h("h1", { class: "key-room", ...room.props }, room.text || t("key.door_unknown")),
    door.room && (words ?? []).map((each) => doorWords(each, door)),
    held ? h("button", { type: "button", class: "button button-second", onclick: act.myKeys }, t("key.door_others")) : null,
  ];
}

function doorWords({ lang: which, lead, link, book }, door) {
  return h("section", { class: "card stack-s door-words", lang: htmlLang(which), data: { words: which } },
    h("p", {}, h("strong", {}, lead)),
    h("p", {}, link),
    door.book_url && h("p", {}, h("a", { class: "button", href: door.book_url }, book)));
}

// ---- not a browser for keys

function browserBody({ app, name, mayStay, hasLink, outside }, act) {
  return [
    h("h1", { class: "page-title" }, t("key.browser_title")),
    h("p", { class: "lead" }, mayStay ? t("key.browser_lead", { app: name ?? t("key.browser_app") }) : t("key.browser_other")),
    outside && h("p", {}, h("a", { class: "button button-big button-wide", href: outside }, t("key.browser_open"))),
    hasLink && h("div", { class: "card stack" },
      h("p", {}, t("key.browser_copy")),
      h("button", { id: "copy-link", type: "button", class: outside ? "button button-second" : "button", onclick: act.copyLink }, t("key.copy")),
      h("p", {}, t("key.browser_paste")),
      h("p", { class: "soft" }, t("key.browser_menu"))),
    mayStay && h("p", {}, h("button", { id: "stay", type: "button", class: "button button-quiet", onclick: act.stay, data: { app } }, t("key.browser_stay"))),
  ];
}
