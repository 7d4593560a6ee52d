// Makes and changes elements. Never parses text as HTML.

import { t } from "./i18n.js";

const SVG = "http://www.w3.org/2000/svg";

/** An element; `props`: t (text key), p (its values), on ({event: handler}), else attributes. */
export function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(node, { t: key, p, on = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value);
  for (const [event, handler] of Object.entries(on)) node.addEventListener(event, handler);
  if (key) say(node, key, p);
  node.append(...children.filter((each) => each !== null && each !== undefined));
  return node;
}

/** Sets, or removes when false or null; does nothing when it is so already. */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value === true ? "" : value);
}

/** Shows the text of a key now and after a change of language. */
export function say(node, key, values) {
  node.dataset.t = key;
  node.dataset.p = values ? JSON.stringify(values) : "";
  setText(node, t(key, values));
}

/** Shows somebody else's words (a name, a text of the service). */
export function tell(node, text) {
  delete node.dataset.t;
  setText(node, text);
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Puts every text below `root` into the language of now. */
export function translate(root) {
  for (const node of root.querySelectorAll("[data-t]")) {
    setText(node, t(node.dataset.t, node.dataset.p ? JSON.parse(node.dataset.p) : undefined));
  }
  for (const node of root.querySelectorAll("[data-t-label]")) {
    node.setAttribute("aria-label", t(node.dataset.tLabel));
  }
}

/** Keeps one child per item, in order, made once and then updated, so that focus stays. */
export function keyed(parent, items, keyOf, make, update) {
  const known = (parent.keyedChildren ??= new Map());
  const wanted = new Set(items.map(keyOf));
  for (const [key, child] of known) {
    if (!wanted.has(key)) {
      child.node.remove();
      known.delete(key);
    }
  }
  items.forEach((item, index) => {
    const key = keyOf(item);
    if (!known.has(key)) known.set(key, make(item));
    const child = known.get(key);
    if (parent.children[index] !== child.node) parent.insertBefore(child.node, parent.children[index] ?? null);
    update(child, item);
  });
}

/** Gives a select these [{value, label}], keeping the choice where it still exists. */
export function options(select, choices) {
  const wanted = JSON.stringify(choices);
  if (select.dataset.choices === wanted) return;
  select.dataset.choices = wanted;
  const chosen = select.value;
  select.replaceChildren(...choices.map(({ value, label }) => {
    const option = el("option", { value });
    option.textContent = label;
    return option;
  }));
  if (choices.some(({ value }) => value === chosen)) select.value = chosen;
}
