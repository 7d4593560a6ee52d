// A table that becomes cards on a phone: each cell then says which column it is of.

import { h } from "../shared/dom.js";
import { t } from "../shared/texts.js";

/** `rows`: arrays of cells in the order of `columns`; the first names the row. `wide`: scrolls. */
export function table({ caption, columns, rows, empty = t("desk.none"), numbers = [] }) {
  if (!rows.length) return h("p", { class: "empty" }, empty);
  return h("div", { class: "table-box turns" }, h("table", { class: "rows" },
    h("caption", { class: "visually-hidden" }, caption),
    h("thead", {}, h("tr", {}, columns.map((name, at) => h("th", { scope: "col", class: numbers.includes(at) ? "number" : null }, name)))),
    h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell, at) => at === 0
      ? h("th", { scope: "row", data: { name: columns[0] } }, h("div", {}, cell))
      : h("td", { data: { name: columns[at] }, class: numbers.includes(at) ? "number" : null }, h("div", {}, cell))))))));
}
