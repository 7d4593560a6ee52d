// The week strip: seven days as links, each with what is free, and the way to the weeks around it.

import { h } from "../shared/dom.js";
import { icon } from "../shared/parts.js";
import { t } from "../shared/texts.js";
import { day, dayStart, month, parts, weekday } from "../shared/time.js";

const SIGNS = { many: "○", few: "△", none: "×", unknown: "…", out: "－" };

/** `hrefOf(dayKey)`: the address of that day; `go(dayKey)`: shows it without loading the page. */
export function weekStripOf(strip, hrefOf, go) {
  const link = (key, props, ...children) => h("a", {
    href: hrefOf(key), ...props,
    onclick: (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      go(key);
    },
  }, ...children);
  return h("nav", { class: "week", "aria-label": t("book.week") },
    h("div", { class: "week-head" },
      arrow(link, strip.before, "back", "book.week_before"),
      h("p", { class: "week-month" }, month(dayStart(strip.days[0].key))),
      arrow(link, strip.after, "next", "book.week_after")),
    h("ul", { class: "week-days" }, strip.days.map((each) => h("li", {}, dayLink(link, each)))));
}

function arrow(link, key, name, code) {
  if (key === null) return h("span", { class: "week-arrow week-nowhere", "aria-hidden": "true" }, icon(name));
  return link(key, { class: "week-arrow", id: `week-${name}`, "aria-label": t(code) }, icon(name));
}

function dayLink(link, each) {
  const start = dayStart(each.key), at = parts(start);
  const inside = [
    h("span", { class: "week-name", "aria-hidden": "true" }, each.today ? t("ui.today") : weekday(start)),
    h("span", { class: "week-date", "aria-hidden": "true" }, String(at.day)),
    h("span", { class: "week-mark", "aria-hidden": "true" }, SIGNS[each.mark]),
    h("span", { class: "visually-hidden" }, `${each.today ? `${t("ui.today")} ` : ""}${day(start)} ${t(`book.mark_${each.mark}`)}`),
  ];
  const looks = `week-day week-${each.mark}${at.weekday === 0 ? " week-sunday" : ""}`;
  if (each.mark === "out") return h("span", { class: looks }, inside);
  return link(each.key, { class: looks, id: `day-${each.key}`, "aria-current": each.chosen ? "date" : null }, inside);
}

/** What ○, △ and × mean. */
export function weekLegend() {
  return h("p", { class: "legend", "aria-hidden": "true" },
    ["many", "few", "none"].map((each) => h("span", {}, `${SIGNS[each]} ${t(`book.mark_${each}`)}`)));
}
