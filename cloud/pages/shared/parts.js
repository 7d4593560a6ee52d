// Small parts that every site is made of: icons, badges, words in boxes, fields, questions.

import { Offline } from "./api.js";
import { h, replace, svg } from "./dom.js";
import { t } from "./texts.js";

const ICONS = {
  key: ["M7.5 16.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9Z", "M12 12h9.5", "M17.5 12v3.5", "M21 12v3", "M7.4 12h.2"],
  calendar: ["M4 6h16v14H4z", "M4 10.5h16", "M8.5 3.5v4", "M15.5 3.5v4"],
  people: ["M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7Z", "M2.5 20c.3-4 2.8-6 6.5-6s6.2 2 6.5 6", "M15.5 4.3a3.5 3.5 0 0 1 0 6.4", "M17.5 14.4c2.4.6 3.8 2.5 4 5.6"],
  person: ["M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Z", "M4.5 20.5c.5-4.3 3.5-6.5 7.5-6.5s7 2.2 7.5 6.5"],
  clock: ["M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z", "M12 7v5.5l3.5 2"],
  place: ["M12 21s7-6.3 7-11.5a7 7 0 0 0-14 0C5 14.7 12 21 12 21Z", "M12 12a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Z"],
  yen: ["m7 4 5 8 5-8", "M12 12v8.5", "M7.5 12.5h9", "M7.5 16.5h9"],
  back: ["M15 5l-7 7 7 7"],
  next: ["m9 5 7 7-7 7"],
  check: ["m5 12.5 4.5 4.5L19 7"],
  close: ["m6 6 12 12", "M18 6 6 18"],
  print: ["M7 9V3.5h10V9", "M7 17H4V9h16v8h-3", "M7 14h10v6.5H7z"],
  phone: ["M7.5 3.5h9v17h-9z", "M11 17.5h2"],
  alert: ["M12 4 2.5 20h19Z", "M12 10v4.5", "M12 17.4v.1"],
};

/** A picture beside words; it says nothing itself. */
export function icon(name) {
  return svg("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" },
    ICONS[name].map((d) => svg("path", { d })));
}

/** kind: good, wait, warn, bad, info or nothing. */
export function badge(kind, text) {
  return h("span", { class: kind ? `badge badge-${kind}` : "badge" }, text);
}

/** A box of words; `title` first. Urgent ones (bad, warn) are spoken at once when they appear. */
export function alert(kind, title, ...more) {
  const role = kind === "bad" || kind === "warn" ? "alert" : "status";
  return h("div", { class: `alert alert-${kind}`, role }, title && h("p", { class: "alert-title" }, title), ...more);
}

/** A box of words that was there from the start: nothing to announce. */
export function note(kind, title, ...more) {
  return h("div", { class: `alert alert-${kind}` }, title && h("p", { class: "alert-title" }, title), ...more);
}

/** What went wrong, for a person; a fault of the page itself goes up. */
export function problemWords(error) {
  if (error instanceof Offline || typeof error?.words === "function") return error.words();
  throw error;
}

export function problemBox(error, ...more) {
  return alert("bad", problemWords(error), ...more);
}

/** A labelled control: hint and error are tied to it for screen readers. */
export function field({ id, label, hint, error, must = false }, control) {
  control.id = id;
  const described = [hint && `${id}-hint`, error && `${id}-wrong`].filter(Boolean).join(" ");
  if (described) control.setAttribute("aria-describedby", described);
  if (error) control.setAttribute("aria-invalid", "true");
  if (must) control.setAttribute("required", "");
  return h("div", { class: "field" },
    h("label", { for: id }, label, must && h("span", { class: "must" }, t("ui.required"))),
    hint && h("p", { class: "hint", id: `${id}-hint` }, hint),
    error && h("p", { class: "wrong", id: `${id}-wrong` }, error),
    control);
}

/** <dl> of pairs [label, what]; pairs without a second are left out. */
export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs
    .filter(([, what]) => what !== null && what !== undefined && what !== false && what !== "")
    .map(([label, what]) => h("div", {}, h("dt", {}, label), h("dd", {}, what))));
}

export function loading() {
  return h("p", { class: "loading", role: "status" }, t("ui.loading"));
}

/** Keeps a button from being pressed twice while `work()` runs. */
export async function busy(button, work) {
  if (button.getAttribute("aria-busy") === "true") return undefined;
  button.setAttribute("aria-busy", "true");
  try {
    return await work();
  } finally {
    button.removeAttribute("aria-busy");
  }
}

/**
 * A question in a native dialog. `act()` runs on yes; while it fails, the dialog says why and stays.
 * Resolves to what `act` gave, or null when the person went back. The focus returns by itself.
 * `no: null`: nothing is asked, something is told.
 */
export function ask({ title, body, yes, no = t("ui.back"), bad = false, act = async () => true }) {
  return new Promise((resolve) => {
    const told = h("div", {});
    let result = null;
    const go = async () => {
      try {
        result = await busy(yesButton, act);
      } catch (error) {
        replace(told, problemBox(error));
        return;
      }
      if (result !== undefined) dialog.close();
    };
    const yesButton = h("button", { class: bad ? "button button-bad" : "button", type: "button", onclick: go }, yes);
    const dialog = h("dialog", { "aria-labelledby": "ask-title", onclose: () => { dialog.remove(); resolve(result ?? null); } },
      h("div", { class: "dialog-body" },
        h("h2", { id: "ask-title" }, title), body, told,
        h("div", { class: "dialog-actions" },
          no && h("button", { class: "button button-second", type: "button", onclick: () => dialog.close() }, no), yesButton)));
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** 1,200円; nothing to pay is said in words. */
export function yen(amount) {
  return amount === 0 ? t("ui.free_of_charge") : amountWords(amount);
}

/** 1,200円, or 0円. */
export function amountWords(amount) {
  return t("ui.yen", { amount: String(amount).replace(/\B(?=(\d{3})+$)/g, ",") });
}

export function people(n) {
  return n === 1 ? t("ui.one_person") : t("ui.people", { n });
}

/** 123 456 7890: a keypad's number as a person reads it from paper and presses it. */
export function digitGroups(digits) {
  return digits.match(/^(\d{3})(\d{3})(\d{4})$/)?.slice(1) ?? [digits];
}
