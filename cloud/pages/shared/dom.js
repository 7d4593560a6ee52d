// Makes elements. Never parses text as HTML and never writes a style attribute, so it works under
// the strictest content security policy; what a stranger typed can only become text.

const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "disabled", "selected", "indeterminate", "open"]);
const SAFE_ADDRESS = /^(?:https?:|tel:|mailto:|data:image\/|blob:|[/#?.]|[\w.-]+(?:[/?#]|$))/i;

/**
 * An element. `props`: onclick and other on... (functions), data ({name: value}), vars (CSS custom
 * properties), everything else an attribute (null and false leave it out). Children may be nodes,
 * strings, numbers, arrays; null, undefined and false are left out.
 */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/** Gives a node these children instead of its own. */
export function replace(node, ...children) {
  node.replaceChildren(...flat(children));
  return node;
}

/** Sets the text if it is another one, so that a live region speaks only about news. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Nodes and strings of a nested list, without what means "nothing". */
export function flat(children) {
  return children.flat(Infinity)
    .filter((each) => each !== null && each !== undefined && each !== false && each !== true)
    .map((each) => (typeof each === "number" ? String(each) : each));
}

/** Throws on an address that could run code. */
export function address(text) {
  if (!SAFE_ADDRESS.test(String(text))) throw new RangeError("not an address for a page");
  return String(text);
}

function fill(node, props, children) {
  const { data = {}, vars = {}, ...rest } = props ?? {};
  for (const [name, value] of Object.entries(data)) node.dataset[name] = value;
  for (const [name, value] of Object.entries(vars)) node.style.setProperty(name, value);
  node.append(...flat(children)); // before the properties: a select's value needs its options
  for (const [name, value] of Object.entries(rest)) setProp(node, name, value);
  return node;
}

function setProp(node, name, value) {
  if (typeof value === "function") {
    if (!name.startsWith("on")) throw new TypeError(`${name} takes no function`);
    node.addEventListener(name.slice(2), value);
    return;
  }
  if (name.startsWith("on") || name === "style" || name === "srcdoc") throw new TypeError(`${name} is not for pages`);
  if (value === null || value === undefined || value === false) return;
  if (name === "href" || name === "src" || name === "action") value = address(value);
  if (PROPERTIES.has(name) && name in node) node[name] = value;
  else node.setAttribute(name, value === true ? "" : String(value));
}
