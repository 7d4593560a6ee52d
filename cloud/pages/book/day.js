// A day's rooms: on a wide window a table of time with free windows as buttons in their place, on a
// phone a list of the same buttons. One structure for both; only the style sheet differs.

import { h } from "../shared/dom.js";
import { people } from "../shared/parts.js";
import { t } from "../shared/texts.js";
import { hours, lasting } from "../shared/time.js";

/** `pick(room, window)` is called by the button of a free window. */
export function dayOf(view, pick) {
  return h("div", { class: "day", vars: { "--columns": String(view.columns) } },
    ruler(view),
    h("ul", { class: "day-rooms" }, view.rows.map((row) => roomRow(row, pick))));
}

function ruler(view) {
  return h("div", { class: "day-ruler", "aria-hidden": "true" },
    h("div", { class: "day-hours" }, view.hours.map(({ hour, column }) =>
      h("span", { vars: { "--start": String(column) } }, `${hour}`))));
}

function roomRow({ room, windows, standing }, pick) {
  const id = `room-${room.id}`;
  return h("li", { class: `day-room day-${standing}`, "aria-labelledby": id },
    h("div", { class: "day-name" },
      h("h3", { id }, room.name),
      room.capacity && h("p", { class: "small soft" }, t("book.room_for", { people: people(room.capacity) })),
      room.about && h("p", { class: "small soft" }, room.about)),
    h("div", { class: "day-track" },
      standing === "free"
        ? h("ul", { class: "day-windows" }, windows.map((each) => h("li", {
          vars: { "--start": String(each.column.start), "--end": String(each.column.end) },
        }, windowButton(room, each, pick))))
        : h("p", { class: "day-none" }, t(`book.room_${standing}`))));
}

/** What is seen is part of what is heard: room and "choose" are added for those who do not see. */
function windowButton(room, window, pick) {
  const heard = (text) => h("span", { class: "visually-hidden" }, text);
  return h("button", { class: "window", type: "button", id: `window-${room.id}-${window.startsAt}`, onclick: () => pick(room, window) },
    heard(`${room.name} `),
    h("span", { class: "window-time" }, hours(window.startsAt, window.endsAt)), " ",
    h("span", { class: "window-long" }, lasting(window.endsAt - window.startsAt)),
    heard(` ${t("book.choose")}`));
}
