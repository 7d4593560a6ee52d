// The simulated phone: whose it is, its keys, the big button, and what came of it.

import { Failure, post } from "./api.js";
import { el, keyed, options, say, setAttribute, setText, tell } from "./dom.js";
import { range, shortTime, t, theirs } from "./i18n.js";

const SOON_MIN = 120;

export function makePhone(section, townNow) {
  const chosen = { person: "", key: "", claimed: "", path: "offline" };
  let latest = null;
  const redraw = () => latest && update(latest, townNow());
  const people = makeChoice("phone.whose", "person", "people", (value) => {
    chosen.person = value;
    chosen.key = "";
    answer.clear();
    redraw();
  });
  const keys = makeChoice("phone.keys", "key", "keys", (value) => {
    chosen.key = value;
    answer.clear();
    redraw();
  });
  const claim = makeClaim(chosen, (claimed) => {
    chosen.claimed = claimed.keys?.at(-1)?.id ?? ""; // picked as soon as the picture has it
    screen.append(claim.node);
    redraw();
  });
  const answer = makeAnswer(townNow);
  const opening = makeOpening(chosen, answer);
  const empty = el("p", { class: "empty", t: "phone.none" });
  for (const each of [people.node, keys.node, claim.node, opening.node, opening.lock]) each.hidden = true;
  const screen = el("div", { class: "screen" },
    people.node, empty, keys.node, opening.node, answer.node, opening.lock, claim.node);
  section.append(
    el("div", { class: "handset" },
      el("div", { class: "handset-label" },
        el("h2", { id: "phone-title", t: "phone.title" }),
        el("p", { t: "phone.lead" })), screen));

  function update(picture, now) {
    latest = picture;
    const owners = picture.phones;
    if (!owners.some((each) => each.name === chosen.person)) chosen.person = owners[0]?.name ?? "";
    const mine = owners.find((each) => each.name === chosen.person)?.keys ?? [];
    if (mine.some((each) => each.id === chosen.claimed)) {
      chosen.key = chosen.claimed;
      chosen.claimed = "";
      answer.clear();
    }
    if (!mine.some((each) => each.id === chosen.key)) chosen.key = mine[0]?.id ?? "";
    people.node.hidden = owners.length === 0;
    keys.node.hidden = opening.node.hidden = opening.lock.hidden = mine.length === 0;
    empty.hidden = mine.length > 0;
    say(empty, owners.length ? "phone.nokeys" : "phone.none");
    people.update(owners.map((each) => ({ value: each.name, label: personOf(each.name) })), chosen.person);
    keys.update(mine.map((each) => keyChoice(each, now)), chosen.key);
    claim.update(mine.length > 0, owners.length > 0);
    opening.update(picture, mine.find((each) => each.id === chosen.key));
    answer.update(now);
  }

  return {
    update,
    person: () => bare(chosen.person),
    take(link, atOnce = false) {
      screen.insertBefore(claim.node, empty); // the link in hand comes before the keys
      claim.take(link);
      if (atOnce) section.scrollIntoView({ block: "start" });
      else section.scrollIntoView({ block: "start", behavior: "instant" }); // arrived by the link
      if (atOnce) claim.open();
      else claim.focus();
    },
  };
}

const bare = (name) => name.replace(/さん$/, "");
const personOf = (name) => t("phone.person", { name: bare(name) });

/** Radio buttons for [{value, label, more?, tag?}]. */
function makeChoice(legend, group, kind, picked) {
  const list = el("div", { class: `choices choices-${kind}` });
  const node = el("fieldset", {}, el("legend", { t: legend }), list);
  const make = ({ value }) => {
    const input = el("input", { type: "radio", name: group, value, on: { change: () => picked(value) } });
    const label = el("span", { class: "choice-label", lang: "ja" });
    const more = el("span", { class: "choice-more" });
    const tag = el("span", { class: "tag" });
    return { node: el("label", { class: "choice" }, input, el("span", { class: "choice-text" }, label, more, tag)), input, label, more, tag };
  };
  const update = (choices, current) => keyed(list, choices, (each) => each.value, make, (made, each) => {
    setText(made.label, each.label);
    setText(made.more, each.more ?? "");
    setText(made.tag, each.tag ?? "");
    made.tag.hidden = !each.tag;
    made.tag.classList.toggle("tag-good", each.isGood === true);
    made.input.checked = each.value === current;
  });
  return { node, update };
}

function keyChoice(key, now) {
  const isTimed = Number.isFinite(key.starts_at) && Number.isFinite(key.ends_at);
  const isActive = isTimed && key.starts_at <= now && now < key.ends_at;
  return {
    value: key.id, label: key.room || key.lock_id, isGood: isActive,
    more: isTimed ? range(key.starts_at, key.ends_at, now) : "", tag: isTimed ? windowText(key, now) : "",
  };
}

function windowText(key, now) {
  if (now >= key.ends_at) return t("key.over");
  if (now >= key.starts_at) return t("key.active");
  const minutes = Math.ceil((key.starts_at - now) / 60);
  return minutes <= SOON_MIN ? t("key.early", { n: minutes }) : t("key.later", { time: shortTime(key.starts_at, now) });
}

function makeClaim(chosen, claimed) {
  const link = el("input", { type: "text", id: "phone-link", class: "link", autocomplete: "off", spellcheck: "false" });
  const button = el("button", { class: "primary", t: "phone.claim" });
  const ready = el("p", { class: "ready", t: "phone.ready", hidden: true });
  const said = el("p", { class: "claim-said", role: "status" });
  const box = el("details", { class: "claim" }, el("summary", { t: "phone.showlink" }));
  const form = el("form", { novalidate: true }, ready, el("label", { for: "phone-link", t: "phone.link" }),
    el("p", { class: "hint", t: "phone.linkhint" }), link, button);
  box.append(form);
  const node = el("div", {}, box, said);
  let wasEmpty = null;

  const open = async () => {
    setAttribute(said, "data-kind", null);
    say(said, "phone.claiming");
    button.disabled = true;
    try {
      if (!link.value.trim()) throw new Failure({ code: "NO_LINK" });
      const answer = await post(`/api/phones/${encodeURIComponent(chosen.person)}/claim`, { key_link: link.value.trim() });
      say(said, "phone.claimed");
      setAttribute(said, "data-kind", "good");
      link.value = "";
      ready.hidden = true;
      box.open = false;
      if (location.pathname === "/phone") history.replaceState(null, "", "/phone"); // the key is collected
      claimed(answer);
    } catch (failure) {
      tell(said, failure.words());
      setAttribute(said, "data-kind", "bad");
      box.open = true;
    } finally {
      button.disabled = false;
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    open();
  });
  return {
    node, open,
    focus: () => button.focus({ preventScroll: true }),
    update(hasKeys, hasPhone) {
      node.hidden = !hasPhone;
      if (wasEmpty !== !hasKeys) box.open = !hasKeys || !ready.hidden;
      wasEmpty = !hasKeys;
    },
    take(value) {
      link.value = value;
      ready.hidden = false;
      box.open = true;
      setText(said, "");
    },
  };
}

function makeOpening(chosen, answer) {
  const path = el("fieldset", {}, el("legend", { t: "phone.path" }),
    el("div", { class: "choices choices-path" },
      pathChoice("offline", "phone.offline", "phone.offlinehint", chosen),
      pathChoice("relay", "phone.relay", "phone.relayhint", chosen)));
  const door = el("select", { id: "held-at", lang: "ja" });
  const held = el("div", { class: "field" }, el("label", { for: "held-at", t: "phone.door" }), door);
  const unlock = el("button", { type: "button", class: "unlock", on: { click: () => send("unlock") } },
    lockIcon(), el("span", { t: "phone.unlock" }));
  const lock = el("button", { type: "button", class: "quiet", t: "phone.lock", on: { click: () => send("lock") } });
  const node = el("div", { class: "opening" }, path, held, unlock);
  path.addEventListener("change", () => (held.hidden = chosen.path === "relay"));
  let shownKey = null;

  const send = async (command) => {
    if (unlock.getAttribute("aria-disabled") === "true") return;
    setAttribute(unlock, "aria-disabled", "true");
    answer.wait();
    const wanted = {
      key: chosen.key, door: chosen.path === "relay" ? null : door.value || null, path: chosen.path, command,
    };
    try {
      answer.show(await post(`/api/phones/${encodeURIComponent(chosen.person)}/unlock`, wanted));
    } catch (failure) {
      answer.fail(failure);
    } finally {
      setAttribute(unlock, "aria-disabled", null);
    }
  };
  const update = (picture, key) => {
    const rooms = picture.rooms.filter((each) => each.lock_id);
    options(door, rooms.map((each) => ({ value: each.lock_id, label: each.name || each.lock_id })));
    if (key && key.id !== shownKey && rooms.some((each) => each.lock_id === key.lock_id)) {
      shownKey = key.id; // a person who goes to another door with this key stays there
      door.value = key.lock_id;
    }
  };
  return { node, lock, update };
}

function pathChoice(value, key, hint, chosen) {
  const input = el("input", { type: "radio", name: "path", value, on: { change: () => (chosen.path = value) } });
  input.checked = value === chosen.path;
  return el("label", { class: "choice" }, input, el("span", { class: "choice-text" },
    el("span", { class: "choice-label", t: key }), el("span", { class: "choice-more", t: hint })));
}

function lockIcon() {
  const mark = el("span", { class: "unlock-mark", "aria-hidden": "true" });
  mark.append(el("span", { class: "unlock-bar" }));
  return mark;
}

const PATHS = { offline: "phone.offline", relay: "phone.relay" };

function makeAnswer(townNow) {
  const head = el("p", { class: "answer-head" });
  const how = el("p", { class: "answer-how" });
  const node = el("div", { class: "answer", role: "status", hidden: true }, head, how);
  let shown = null;
  const draw = (kind, words) => {
    node.hidden = false;
    setAttribute(node, "data-kind", kind);
    tell(head, words);
  };
  const update = (now) => {
    if (!shown) return;
    if (shown.failure) return draw("bad", shown.failure.words());
    draw(shown.granted ? "good" : "refused", theirs(shown.texts) ?? t("error.any", { code: shown.code }));
    setText(how, howText(shown, now));
    setAttribute(node, "data-code", shown.code);
  };
  return {
    node, update,
    wait() {
      shown = null;
      draw("wait", t("phone.working"));
      setText(how, "");
      setAttribute(node, "data-code", null);
    },
    show(result) {
      shown = result;
      update(townNow());
      node.scrollIntoView({ block: "nearest" });
    },
    fail(failure) {
      shown = { failure };
      update(townNow());
      node.scrollIntoView({ block: "nearest" });
    },
    clear() {
      shown = null;
      node.hidden = true;
    },
  };
}

function howText(result, now) {
  const ms = result.ms || result.total_ms;
  const parts = [
    PATHS[result.path] ? t(PATHS[result.path]) : "",
    Number.isFinite(ms) && ms > 0 ? t("phone.ms", { ms: Math.round(ms) }) : "",
    Number.isFinite(result.opens_at) ? t("phone.opensat", { time: shortTime(result.opens_at, now) }) : "",
    result.authentic ? t("phone.authentic") : "",
  ];
  return parts.filter(Boolean).join(" / ");
}
