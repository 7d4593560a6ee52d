// "What if…": kill a program of the town and watch it come back.

import { post } from "./api.js";
import { el, keyed, say, setAttribute, setText, tell } from "./dom.js";
import { t } from "./i18n.js";

const STATES = {
  ready: "state.ready", starting: "state.starting", backoff: "state.backoff",
  stopped: "state.stopped", failed: "state.failed",
};
const NAMES = { broker: "part.broker", gateway: "part.gateway", cloud: "part.cloud", phone: "part.phone" };
const ORDER = ["gateway", "broker", "cloud", "lock", "phone"];

export function makeParts(section) {
  const none = el("p", { class: "empty", t: "whatif.none" });
  const list = el("ul", { class: "parts" });
  const scenery = el("p", { class: "scenery" });
  section.append(
    el("h2", { id: "whatif-title", t: "whatif.title" }),
    el("p", { class: "section-lead", t: "whatif.lead" }),
    el("p", { class: "tip", t: "whatif.hint" }), none, list, scenery);
  return {
    update(picture) {
      const actors = picture.parts.filter((part) => ORDER.includes(part.kind));
      actors.sort((one, other) => ORDER.indexOf(one.kind) - ORDER.indexOf(other.kind));
      none.hidden = actors.length > 0;
      keyed(list, actors, (part) => part.name, makePart, (made, part) => made.update(part, picture.rooms));
      const others = picture.parts.filter((part) => !ORDER.includes(part.kind));
      scenery.hidden = others.length === 0;
      setText(scenery, `${t("whatif.scenery")}: ${others.map(sceneryText).join(t("time.comma"))}`);
    },
  };
}

function sceneryText(part) {
  return t("time.aside", { text: part.name, aside: t(STATES[part.state] ?? "state.unknown") });
}

function titleOf(part, rooms) {
  if (part.kind !== "lock") return t(NAMES[part.kind]);
  const room = rooms.find((each) => each.lock_id && part.name.includes(each.lock_id));
  return room?.name ? t("part.lock", { room: room.name }) : t("part.locknoroom", { name: part.name });
}

function makePart(first) {
  let latest = first;
  let killed = null;
  const title = el("h3");
  const state = el("p", { class: "state" });
  const facts = el("p", { class: "facts" });
  const back = el("p", { class: "back", role: "status" });
  const button = el("button", { type: "button", class: "danger", t: "whatif.kill" });
  button.addEventListener("click", async () => {
    killed = { pid: latest.pid, atMs: performance.now() };
    setText(back, "");
    try {
      await post(`/api/parts/${encodeURIComponent(latest.name)}/kill`);
    } catch (failure) {
      killed = null;
      tell(back, failure.words());
    }
  });
  const node = el("li", { class: "part card", "data-part": first.name }, title, state, facts, back, button);
  const update = (part, rooms) => {
    latest = part;
    const name = titleOf(part, rooms);
    setText(title, name);
    setAttribute(node, "data-state", part.state);
    setText(state, t(STATES[part.state] ?? "state.unknown"));
    setText(facts, `${t("whatif.pid")} ${part.pid ?? "–"} / ${t("whatif.restarts")} ${part.restarts}`);
    setAttribute(button, "aria-label", t("whatif.killwhat", { name }));
    if (killed && part.state === "ready" && part.pid && part.pid !== killed.pid) {
      say(back, "whatif.back", { s: ((performance.now() - killed.atMs) / 1000).toFixed(1) });
      killed = null;
    }
  };
  return { node, update };
}
