// The doors: what physics says, what the service knows, and a person's hands.

import { post } from "./api.js";
import { drawDoor } from "./door_picture.js";
import { el, keyed, say, setAttribute, setText, tell } from "./dom.js";
import { ago, secondsOf, t } from "./i18n.js";

const BOLT = {
  locked: "bolt.locked", unlocked: "bolt.unlocked", moving: "bolt.moving", jammed: "bolt.jammed",
  unknown: "bolt.unknown",
};
const LEAF = { open: "leaf.open", closed: "leaf.closed", unknown: "leaf.unknown" };
const HAPPENED = {
  opened: "happened.opened", closed: "happened.closed", handle_rattled: "happened.handle_rattled",
  bolt_retracted: "happened.bolt_retracted", bolt_extended: "happened.bolt_extended",
  bolt_moving: "happened.bolt_moving", bolt_jammed: "happened.bolt_jammed",
  motor_stalled: "happened.motor_stalled", rex_pressed: "happened.rex_pressed",
  forced: "happened.forced", close_blocked: "happened.close_blocked",
  jam_placed: "happened.jam_placed", jam_removed: "happened.jam_removed",
  keypad_typed: "happened.keypad_typed", keypad_dark: "happened.keypad_dark",
  keypad_granted: "happened.keypad_granted", keypad_refused: "happened.keypad_refused",
  keypad_wait: "happened.keypad_wait", keypad_off: "happened.keypad_off",
  chip_started: "happened.chip_started", chip_gone: "happened.chip_gone",
};

export function makeDoors(section) {
  const none = el("p", { class: "empty", t: "page.loading" });
  const list = el("ul", { class: "doors" });
  section.append(
    el("h2", { id: "doors-title", t: "doors.title" }),
    el("p", { class: "section-lead", t: "doors.lead" }), none, list);
  return {
    update(picture, now) {
      say(none, picture.up.world === null ? "page.loading" : "doors.none");
      none.hidden = picture.rooms.length > 0;
      keyed(list, picture.rooms, (room) => room.room_id || room.lock_id, makeCard,
        (card, room) => card.update(room, picture, now));
    },
  };
}

function makeCard() {
  const name = el("h3", { lang: "ja" });
  const lockId = el("span", { class: "lock-id" });
  const drawing = drawDoor();
  const last = el("p", { class: "happened" });
  const power = el("p", { class: "tag tag-bad", t: "doors.nopower" });
  const compare = makeComparison();
  const hands = makeHands();
  const noLock = el("p", { class: "empty", t: "doors.nolock" });
  const body = el("div", { class: "door-body" }, drawing.node, power, last, compare.node, hands.node);
  const node = el("li", { class: "door card" },
    el("div", { class: "door-head" }, name, lockId), noLock, body);
  const update = (room, picture, now) => {
    if (room.name) tell(name, room.name);
    else say(name, "doors.stray");
    setText(lockId, room.lock_id ?? "");
    body.hidden = !room.door && !room.known;
    noLock.hidden = !body.hidden;
    const bolt = physicalBolt(room.door);
    drawing.update(room.door, describe(room, bolt));
    power.hidden = !room.door || room.door.chip;
    showLast(last, picture.happenings, room.lock_id);
    compare.update(room, bolt, picture, now);
    hands.update(room);
    setAttribute(node, "data-lock", room.lock_id);
    setAttribute(node, "data-bolt", bolt);
    setAttribute(node, "data-leaf", room.door?.leaf);
  };
  return { node, update };
}

function physicalBolt(door) {
  if (!door) return "unknown";
  if (door.jammed) return "jammed";
  if (door.bolt === 1) return "locked";
  return door.bolt === 0 ? "unlocked" : "moving";
}

function describe(room, bolt) {
  const leaf = LEAF[room.door?.leaf ?? "unknown"];
  return t("doors.picture", { room: room.name || room.lock_id, bolt: t(BOLT[bolt]), leaf: t(leaf) });
}

function showLast(node, happenings, lockId) {
  const happening = happenings.find((each) => each.door === lockId && HAPPENED[each.event]);
  setText(node, happening ? `${secondsOf(happening.at)} ${t(HAPPENED[happening.event])}` : "\u00a0");
}

function makeComparison() {
  const cells = { boltReal: el("td"), boltKnown: el("td"), leafReal: el("td"), leafKnown: el("td") };
  const table = el("table", { class: "compare" },
    el("thead", {}, el("tr", {}, el("td"), el("th", { scope: "col", t: "doors.real" }),
      el("th", { scope: "col", t: "doors.known" }))),
    el("tbody", {},
      el("tr", {}, el("th", { scope: "row", t: "doors.bolt" }), cells.boltReal, cells.boltKnown),
      el("tr", {}, el("th", { scope: "row", t: "doors.leaf" }), cells.leafReal, cells.leafKnown)));
  const contact = el("p");
  const network = el("p");
  const node = el("div", { class: "comparison" }, table, el("div", { class: "contact" }, contact, network));
  const update = (room, bolt, picture, now) => {
    const known = room.known ?? { bolt: "unknown", door: "unknown" };
    showPair(cells.boltReal, cells.boltKnown, BOLT, bolt, known.bolt);
    showPair(cells.leafReal, cells.leafKnown, LEAF, room.door?.leaf ?? "unknown", known.door);
    setText(contact, contactText(known, now));
    contact.classList.toggle("warn", known.reachable === false);
    setText(network, networkText(known, picture.gateways));
    network.classList.toggle("warn", !picture.gateways.some((each) => each.online));
  };
  return { node, update };
}

function showPair(realCell, knownCell, words, real, known) {
  const differs = real !== known && real !== "moving" && real !== "unknown";
  setText(realCell, t(words[real] ?? words.unknown));
  const text = t(words[known] ?? words.unknown);
  const shown = JSON.stringify([text, differs]);
  if (knownCell.dataset.shown !== shown) {
    const mark = differs ? [el("span", { class: "differs-mark", t: "doors.differs" })] : [];
    knownCell.replaceChildren(text, ...mark);
  }
  knownCell.dataset.shown = shown;
  knownCell.classList.toggle("differs", differs);
}

function contactText(known, now) {
  const seen = known.seen_at ? t("time.aside", { text: secondsOf(known.seen_at), aside: ago(now - known.seen_at) }) : t("doors.never");
  const silent = known.reachable === false ? ` ${t("doors.unreachable")}` : "";
  return `${t("doors.contact")}: ${seen}${silent}`;
}

function networkText(known, gateways) {
  const isOnline = gateways.some((each) => each.online);
  const list = known.status_version
    ? ` / ${t("doors.list")} ${t("doors.version", { n: known.status_version })}` : "";
  return `${t("doors.gateway")}: ${t(isOnline ? "doors.online" : "doors.offline")}${list}`;
}

function makeHands() {
  let lockId = null;
  const said = el("p", { class: "hand-said", role: "status" });
  const hand = async (action, body = {}) => {
    setText(said, "");
    try {
      const { happened = [] } = await post(`/api/doors/${encodeURIComponent(lockId)}/${action}`, body);
      if (happened.includes("handle_rattled")) say(said, "doors.rattled");
    } catch (failure) {
      tell(said, failure.words());
    }
  };
  const button = (key, kind, action, body) =>
    el("button", { type: "button", class: kind, t: key, "data-act": action, on: { click: () => hand(action, body) } });
  const go = button("doors.go", "secondary", "open", { for_ms: 3000 });
  const shut = button("doors.close", "secondary", "close");
  const jam = button("doors.jam", "quiet", "jam");
  const unjam = button("doors.unjam", "quiet", "unjam");
  const node = el("div", { class: "hands" },
    el("div", { class: "hand-row" }, go, shut, button("doors.rex", "secondary", "rex")), said,
    el("details", {}, el("summary", { t: "doors.mischief" }),
      el("div", { class: "hand-row" }, jam, unjam, button("doors.force", "quiet", "force"))));
  const update = (room) => {
    lockId = room.lock_id;
    node.hidden = !room.door;
    go.hidden = room.door?.leaf === "open";
    shut.hidden = !go.hidden;
  };
  return { node, update };
}
