// Says honestly what is real here and what is simulated.

import { el } from "./dom.js";

const REAL = ["foot.realfirmware", "foot.realble", "foot.realmqtt", "foot.realcloud"];
const SIMULATED = ["foot.simradio", "foot.simchip", "foot.simdoor", "foot.simphone"];

export function makeFoot(foot) {
  foot.append(el("div", { class: "foot-inner" },
    el("h2", { t: "foot.title" }),
    el("div", { class: "foot-columns" }, column("foot.real", REAL), column("foot.simulated", SIMULATED))));
}

function column(head, keys) {
  return el("div", {}, el("h3", { t: head }), el("ul", {}, ...keys.map((key) => el("li", { t: key }))));
}
