// A month's uses and yen by house, for the books; a file for Excel.

import { call } from "../shared/api.js";
import { h, replace } from "../shared/dom.js";
import { amountWords, field, note, problemBox } from "../shared/parts.js";
import { t, theirs } from "../shared/texts.js";
import { dayKey } from "../shared/time.js";

import { table } from "./table.js";
import { isMonth, monthOf, sumOf, unpaidOf } from "./totals_state.js";
import { now } from "./when.js";

export async function show(main, desk, route) {
  const kept = desk.kept(route, () => ({ month: monthOf(dayKey(now())) }));
  const houses = await call("GET", "/v1/facilities");
  const names = new Map(houses.map((each) => [each.facility_id, theirs(each.name)]));
  const heading = h("h1", {}, t("desk.nav.totals"));
  const box = h("div", { class: "stack" });
  const load = async () => {
    const { month } = kept;
    if (!isMonth(month)) {
      replace(box, note("warn", t("desk.totals.form")));
      return;
    }
    try {
      replace(box, drawn(month, await call("GET", `/v1/staff/totals?month=${month}`), names));
    } catch (error) {
      replace(box, problemBox(error));
    }
  };
  // Where a browser knows no months, this is a plain line that takes 2026-12.
  const input = h("input", { class: "input", type: "month", value: kept.month, placeholder: "2026-12", onchange: (event) => { kept.month = event.target.value.trim(); } });
  replace(main, h("div", { class: "head" }, heading),
    h("form", { class: "tools no-print", onsubmit: (event) => { event.preventDefault(); load(); } },
      field({ id: "totals-month", label: t("desk.totals.month") }, input),
      h("button", { class: "button", type: "submit" }, t("desk.effect.show"))), box);
  desk.shell.arrive(heading);
  await load();
}

function drawn(month, lines, names) {
  const columns = ["facility", "uses", "hours", "exempt", "cancelled", "fees", "paid", "unpaid", "refunds"];
  const rows = lines.map((line) => cells(names.get(line.facility_id) ?? line.facility_id, line));
  if (lines.length > 1) rows.push(cells(t("desk.totals.sum"), sumOf(lines)));
  return [
    lines.length > 0 && h("div", { class: "row between no-print" }, h("p", { class: "soft" }, t("desk.totals.of_uses")),
      h("a", { class: "button button-second", href: `/v1/staff/totals?month=${month}&form=csv`, download: "" }, t("desk.audit.csv"))),
    table({
      caption: t("desk.nav.totals"), columns: columns.map((name) => t(`desk.totals.${name}`)),
      numbers: [1, 2, 3, 4, 5, 6, 7, 8], rows, empty: t("desk.totals.none"),
    }),
  ];
}

function cells(name, line) {
  return [name, line.uses, (line.minutes / 60).toFixed(1), line.exempt_uses, line.cancelled,
    ...[line.fee_yen, line.settled_yen, unpaidOf(line), line.refund_due_yen].map(amountWords)];
}
