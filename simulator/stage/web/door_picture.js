// Draws one door: the leaf, a lens over the bolt, the lamp. Shows physics, decides nothing.

import { setAttribute, setText, svg } from "./dom.js";

const BOLT_TRAVEL = 30;

/** {node, update(door, description)}; `door` may be null when nothing is known of it. */
export function drawDoor() {
  const title = svg("title");
  const bolt = svg("rect", { class: "p-bolt", x: 192, y: 80, width: 36, height: 16, rx: 3 });
  const smallBolt = svg("rect", { class: "p-bolt small", x: 118, y: 86, width: 20, height: 6, rx: 1.5 });
  const node = svg("svg", { class: "picture", viewBox: "0 0 250 156", role: "img" }, title,
    svg("rect", { class: "p-wall", x: 0, y: 0, width: 250, height: 156, rx: 8 }),
    svg("path", { class: "p-floor", d: "M0 140h250v8a8 8 0 0 1-8 8H8a8 8 0 0 1-8-8z" }),
    svg("rect", { class: "p-frame", x: 36, y: 18, width: 108, height: 124, rx: 3 }),
    drawInside(),
    drawLeaf(smallBolt),
    svg("circle", { class: "p-lamp-glow", cx: 90, cy: 10, r: 9 }),
    svg("circle", { class: "p-lamp", cx: 90, cy: 10, r: 4.5 }),
    svg("path", { class: "p-leader", d: "M138 89h22" }),
    drawLens(bolt));
  const update = (door, description) => {
    setText(title, description);
    const back = 1 - (door?.bolt ?? 1);
    bolt.style.transform = `translateX(${-BOLT_TRAVEL * back}px)`;
    smallBolt.style.transform = `translateX(${-12 * back}px)`;
    setAttribute(node, "data-leaf", door?.leaf ?? "closed");
    setAttribute(node, "data-known", door ? "yes" : "no");
    setAttribute(node, "data-power", door?.chip ? "on" : "off");
    setAttribute(node, "data-lamp", door?.lamp ? "on" : "off");
    setAttribute(node, "data-jammed", door?.jammed ? "yes" : "no");
    setAttribute(node, "data-bolt", door && door.bolt === 0 ? "back" : "out");
  };
  return { node, update };
}

function drawInside() {
  return svg("g", {},
    svg("rect", { class: "p-inside", x: 44, y: 26, width: 92, height: 116 }),
    svg("path", { class: "p-inside-floor", d: "M44 122h92v20H44z" }),
    svg("rect", { class: "p-window", x: 84, y: 44, width: 38, height: 30, rx: 2 }),
    svg("path", { class: "p-window-bar", d: "M103 44v30M84 59h38" }),
    svg("path", { class: "p-desk", d: "M82 104h46v5h-3v20h-4v-20H89v20h-4v-20h-3z" }));
}

function drawLeaf(smallBolt) {
  return svg("g", { class: "p-leaf" },
    svg("rect", { class: "p-wood", x: 44, y: 26, width: 92, height: 116 }),
    svg("path", { class: "p-grain", d: "M62 26v116M80 26v116M98 26v116M116 26v116" }),
    svg("rect", { class: "p-glass", x: 56, y: 40, width: 44, height: 34, rx: 2 }),
    svg("rect", { class: "p-rail", x: 44, y: 98, width: 92, height: 5 }),
    smallBolt,
    svg("rect", { class: "p-case", x: 116, y: 76, width: 17, height: 30, rx: 3 }),
    svg("path", { class: "p-handle", d: "M124 100h-14" }),
    svg("circle", { class: "p-eye", cx: 124.5, cy: 83, r: 2.6 }));
}

function drawLens(bolt) {
  return svg("g", { class: "p-lens" },
    svg("circle", { class: "p-lens-back", cx: 202, cy: 88, r: 42 }),
    svg("path", { class: "p-lens-frame", d: "M204 46.1A42 42 0 0 1 204 129.9z" }),
    svg("rect", { class: "p-slot", x: 204, y: 77, width: 28, height: 22, rx: 3 }),
    svg("g", { class: "p-lens-moving" },
      svg("path", { class: "p-lens-leaf", d: "M198 46.2A42 42 0 0 0 198 129.8z" }), bolt,
      svg("path", { class: "p-guide", d: "M172 76h20v24h-20" })),
    svg("path", { class: "p-jam", d: "M196 62l12 22h-24z" }),
    svg("circle", { class: "p-lens-rim", cx: 202, cy: 88, r: 42 }));
}
