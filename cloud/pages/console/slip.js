// The slip for somebody without a smartphone: the number of their keypad, when and where. Printed.

import { call } from "../shared/api.js";
import { h, replace } from "../shared/dom.js";
import { field, icon, note, problemBox } from "../shared/parts.js";
import { t, theirs } from "../shared/texts.js";
import { dayAndClock, span } from "../shared/time.js";

import { routeTo } from "./routes.js";

export async function show(main, desk, route) {
  const id = encodeURIComponent(route.id ?? "");
  const [booking, keys] = await Promise.all([call("GET", `/v1/staff/bookings/${id}`), call("GET", `/v1/staff/bookings/${id}/keys`)]);
  const kept = desk.kept(route, () => ({ holderId: keys.holders[0]?.holder_id ?? "", told: null }));
  const heading = h("h1", { class: "no-print" }, t("desk.slip.title"));
  const paper = h("div", { class: "stack" });
  const holder = h("select", { value: kept.holderId, onchange: (event) => { kept.holderId = event.target.value; kept.told = null; draw(); } },
    keys.holders.map((each) => h("option", { value: each.holder_id }, each.name)));
  const draw = () => replace(paper, kept.told
    ? [slip(booking, kept.told, keys.holders.find((each) => each.holder_id === kept.holderId), desk.town),
      h("p", { class: "no-print row" }, h("button", { class: "button button-big", type: "button", onclick: () => window.print() }, icon("print"), t("ui.print")))]
    : h("p", { class: "no-print" }, h("button", { class: "button", type: "button", id: "slip-show", onclick: fetchPin }, t("desk.slip.show"))));
  const fetchPin = async () => {
    try {
      kept.told = await call("POST", `/v1/staff/bookings/${id}/pin`, { holder_id: kept.holderId });
    } catch (error) {
      replace(paper, problemBox(error));
      return;
    }
    draw();
  };
  replace(main, h("div", { class: "head" }, heading,
    h("a", { class: "button button-second no-print", href: routeTo("bookings", booking.booking_id) }, t("ui.back"))),
  h("div", { class: "no-print stack-s wordy" }, note("info", t("desk.slip.words")),
    keys.holders.length > 1 && field({ id: "slip-holder", label: t("desk.booking.holder") }, holder)),
  paper);
  draw();
  desk.shell.arrive(heading);
  return () => { kept.told = null; }; // a number does not stay on a screen that somebody left
}

function slip(booking, told, holder, town) {
  const find = booking.find ? theirs(booking.find) : "";
  return h("article", { class: "slip stack", "aria-label": t("desk.slip.title") },
    h("div", { class: "slip-head" }, h("strong", {}, town), h("span", {}, booking.facility_name ? theirs(booking.facility_name) : "")),
    h("h2", {}, booking.room),
    h("p", {}, span(booking.starts_at, booking.ends_at, { year: true })),
    h("p", {}, t("desk.slip.name", { name: holder?.name ?? booking.holder_name })),
    h("p", { class: "pin", "aria-label": told.pin.split("").join(" ") }, grouped(told.pin)),
    h("p", {}, t("desk.slip.window", { from: dayAndClock(told.pin_from), until: dayAndClock(told.pin_until) })),
    h("ol", { class: "stack-s" }, ["enter", "confirm", "wrong"].map((each) => h("li", {}, t(`desk.slip.step.${each}`)))),
    find && h("p", {}, t("desk.slip.find", { find })),
    booking.phone && h("p", {}, t("desk.slip.phone", { phone: booking.phone })));
}

/** 123 456 7890: as on the key page, so that paper and phone can be held side by side. */
export function grouped(pin) {
  const parts = pin.match(/^(\d{3})(\d{3})(\d{4})$/)?.slice(1) ?? [pin];
  return parts.map((part) => h("b", {}, part));
}
