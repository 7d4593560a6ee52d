// The clerk's desk: who is signed in, which section is shown, the way around.
//
// A section is a module with `show(main, desk, route)`; it may return a function that ends what it
// started (polling). Sections keep what a person typed in `desk.kept(route)`, so that changing the
// language, which draws anew, loses nothing.

import { call } from "../shared/api.js";
import { h, replace } from "../shared/dom.js";
import { loading, problemBox } from "../shared/parts.js";
import { startShell } from "../shared/shell.js";
import { t } from "../shared/texts.js";

import * as alarms from "./alarms.js";
import * as approvals from "./approvals.js";
import * as audit from "./audit.js";
import * as book from "./book.js";
import * as booking from "./booking.js";
import * as closed from "./closed.js";
import * as effect from "./effect.js";
import * as fleet from "./fleet.js";
import * as groups from "./groups.js";
import * as join from "./join.js";
import * as me from "./me.js";
import * as people from "./people.js";
import { firstSection, sectionsOf } from "./rights.js";
import { parseRoute, routeTo } from "./routes.js";
import * as signIn from "./sign_in.js";
import * as slip from "./slip.js";
import * as today from "./today.js";
import * as totals from "./totals.js";
import { noteTime } from "./when.js";

const SECTIONS = { today, book, approvals, groups, closed, alarms, fleet, audit, totals, effect, people };
const OTHERS = { bookings: booking, slip, me };

class Desk {
  me = null;
  town = null;
  shell = null;
  #kept = new Map();
  #end = null;
  #drawn = 0;

  /** What a section remembers between two drawings of the same place. */
  kept(route, fresh = () => ({})) {
    const place = `${route.name}/${route.id ?? ""}`;
    if (!this.#kept.has(place)) this.#kept.set(place, fresh());
    return this.#kept.get(place);
  }

  forget(route) {
    this.#kept.delete(`${route.name}/${route.id ?? ""}`);
  }

  go(name, id, query) {
    location.hash = routeTo(name, id, query);
  }

  /** A sentence that a screen reader says at once. */
  say(text) {
    this.shell.say(text);
  }

  async enter() {
    this.me = await whoami();
  }

  leave() {
    this.me = null;
    this.#kept.clear();
  }

  async draw(main = this.shell.main) {
    const turn = ++this.#drawn;
    this.#end?.();
    this.#end = null;
    this.way();
    const route = parseRoute(location.hash);
    const [section, place] = this.#sectionOf(route);
    const box = h("div", { class: "section stack" }, loading());
    replace(main, box);
    try {
      const end = await section.show(box, this, place);
      if (turn === this.#drawn) this.#end = end ?? null;
      else end?.();
    } catch (error) {
      if (turn !== this.#drawn) return;
      this.#failed(box, error);
    }
  }

  /** The way around, with what waits. Drawn before the first page, too. */
  way() {
    const route = parseRoute(location.hash);
    const shown = this.me ? sectionsOf(this.me) : [];
    replace(this.nav, shown.length ? wayAround(shown, route.name, this.counts) : null);
    document.body.classList.toggle("signed-in", shown.length > 0);
    this.shell?.update();
  }

  /** How much waits in a section; shown beside its name. */
  count(name, number) {
    if (this.counts[name] === number) return;
    this.counts[name] = number;
    const badge = document.querySelector(`[data-way="${name}"] .way-count`);
    if (badge) replace(badge, countText(number));
  }

  counts = {};
  invitation = takeInvitation();
  nav = h("nav", { class: "way no-print" });

  #sectionOf(route) {
    if (this.invitation !== null) return [join, { secret: this.invitation }];
    if (this.me === null) return [signIn, route];
    const shown = sectionsOf(this.me);
    if (OTHERS[route.name]) return [OTHERS[route.name], route];
    if (shown.includes(route.name)) return [SECTIONS[route.name], route];
    const first = firstSection(this.me);
    return first ? [SECTIONS[first], { name: first, id: null, query: {} }] : [me, route];
  }

  #failed(box, error) {
    if (error?.code === "NOT_STAFF" || error?.code === "NOT_SIGNED_IN") {
      this.leave();
      this.draw();
      return;
    }
    const again = h("button", { class: "button button-second", type: "button", onclick: () => this.draw() }, t("ui.retry"));
    replace(box, problemBox(error, h("div", {}, again)));
  }
}

function wayAround(shown, current, counts) {
  const here = current === "bookings" || current === "slip" ? "today" : current;
  const list = h("ul", {}, shown.map((name) => h("li", {},
    h("a", { href: routeTo(name), "aria-current": name === here ? "page" : null, data: { way: name } },
      h("span", {}, t(`desk.nav.${name}`)), h("span", { class: "way-count" }, countText(counts[name]))))));
  const button = h("button", {
    class: "way-button", type: "button", "aria-expanded": "false", "aria-controls": "way-list",
    onclick: () => {
      const open = button.getAttribute("aria-expanded") !== "true";
      button.setAttribute("aria-expanded", String(open));
    },
  }, t("ui.menu"), h("span", { class: "way-here" }, t(`desk.nav.${shown.includes(here) ? here : shown[0]}`)));
  list.id = "way-list";
  return [button, list];
}

function countText(number) {
  return number ? String(number) : "";
}

/** The secret of /invite#SECRET, taken out of the address; null on every other page. */
function takeInvitation() {
  if (!/^\/invite(\/|$)/.test(location.pathname)) return null;
  const secret = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
  return secret;
}

async function whoami() {
  try {
    return await call("GET", "/v1/staff/me");
  } catch (error) {
    if (error.status === 401) return null;
    throw error;
  }
}

async function signOut(desk) {
  await call("POST", "/v1/staff/session/end");
  desk.leave();
  location.hash = "";
  await desk.draw();
}

async function start() {
  const desk = new Desk();
  window.addEventListener("hashchange", () => desk.draw());
  const side = () => (desk.me === null ? null : h("div", { class: "who" },
    h("a", { class: "who-name", href: routeTo("me") }, desk.me.name),
    h("button", { class: "button button-quiet", type: "button", onclick: () => signOut(desk) }, t("ui.sign_out"))));
  let first = true;
  desk.shell = await startShell({
    name: () => t("desk.name"),
    town: () => desk.town,
    home: "#/today",
    side,
    render: async (main) => {
      if (first) {
        first = false;
        return;
      }
      await desk.draw(main);
    },
  });
  desk.shell.main.before(desk.nav);
  desk.nav.setAttribute("aria-label", t("ui.menu"));
  try {
    const [town] = await Promise.all([call("GET", "/v1/town"), desk.enter()]);
    desk.town = town.name;
    noteTime(town.now);
  } catch (error) {
    replace(desk.shell.main, problemBox(error));
    return;
  }
  await desk.draw();
}

start();
