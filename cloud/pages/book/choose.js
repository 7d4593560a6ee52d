// The question "from when to when?" for a free window, with the fee, in a native dialog.

import { problemBox, problemWords, busy } from "../shared/parts.js";
import { h, replace } from "../shared/dom.js";
import { t } from "../shared/texts.js";
import { clock, dayStart, day, lasting, dayKey } from "../shared/time.js";
import { endsFor, nearestEnd, offer, startsIn } from "./search.js";

/**
 * Resolves to what `act({startsAt, endsAt})` gave, or null when the person went back. `price(span)`
 * gives nodes that tell the fee; it is asked again after each change. `rules`: of the room.
 */
export function chooseTime({ room, window, rules, wished = {}, yes, price, act, note }) {
  return new Promise((resolve) => {
    const first = offer(window, rules, wished.minutes, wished.start);
    let { start, end } = first, asked = 0, result = null;
    const told = h("div", {}), fee = h("div", { class: "choose-fee", role: "status" });
    const startSelect = h("select", { id: "choose-start", onchange: () => moved(Number(startSelect.value), end - start) },
      startsIn(window, rules).map((at) => h("option", { value: String(at), selected: at === start }, clock(at))));
    const endSelect = h("select", { id: "choose-end", onchange: () => { end = Number(endSelect.value); priced(); } });

    const moved = (at, seconds) => {
      start = at;
      end = nearestEnd(window, start, rules, seconds / 60);
      replace(endSelect, endsFor(window, start, rules).map((each) =>
        h("option", { value: String(each), selected: each === end }, `${endWords(each, start)}（${lasting(each - start)}）`)));
      priced();
    };
    const priced = async () => {
      const turn = ++asked;
      replace(told);
      try {
        const nodes = await price({ startsAt: start, endsAt: end });
        if (turn === asked) replace(fee, nodes);
      } catch (error) {
        if (turn === asked) replace(fee, h("p", { class: "wrong" }, problemWords(error)));
      }
    };
    const go = async () => {
      try {
        result = await busy(yesButton, () => act({ startsAt: start, endsAt: end }));
      } catch (error) {
        replace(told, problemBox(error));
        return;
      }
      if (result !== undefined) dialog.close();
    };
    const yesButton = h("button", { class: "button", type: "button", id: "choose-yes", onclick: go }, yes);
    const dialog = h("dialog", { "aria-labelledby": "choose-title", onclose: () => { dialog.remove(); resolve(result ?? null); } },
      h("div", { class: "dialog-body" },
        h("div", {}, h("h2", { id: "choose-title" }, room.name), h("p", { class: "soft" }, day(window.startsAt))),
        h("div", { class: "choose-times" },
          h("div", { class: "field" }, h("label", { for: "choose-start" }, t("book.from")), startSelect),
          h("div", { class: "field" }, h("label", { for: "choose-end" }, t("book.until")), endSelect)),
        fee, note && h("p", { class: "hint" }, note), told,
        h("div", { class: "dialog-actions" },
          h("button", { class: "button button-second", type: "button", onclick: () => dialog.close() }, t("ui.back")), yesButton)));
    document.body.append(dialog);
    moved(start, end - start);
    dialog.showModal();
  });
}

function endWords(at, start) {
  return dayKey(at) !== dayKey(start) && at === dayStart(dayKey(at)) ? "24:00" : clock(at);
}
