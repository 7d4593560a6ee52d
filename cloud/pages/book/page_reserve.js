// From a chosen time to a booking: the form, the fee, the countdown. What was typed survives a change
// of language, a refusal and a hold that ran out; one press holds the same time again.
//
// Who is signed in holds the room meanwhile (?hold=). Where the building asks for no sign-in, anybody
// may book (?room=&from=&to=): then nothing is held, and the key's link is told here, once.

import { h, replace } from "../shared/dom.js";
import { alert, badge, busy, facts, field, icon, problemBox, yen } from "../shared/parts.js";
import { t } from "../shared/texts.js";
import { countdown, span } from "../shared/time.js";
import { emptyForm, holdStanding, spokenAt, wrongIn } from "./booking_flow.js";
import { badges, details, doNext, why } from "./booking_card.js";
import { me, nowS, startPage } from "./frame.js";
import * as service from "./service.js";
import { to } from "./ways.js";

let hold = null, quote = null, groups = [], form = null, wrong = {}, failure = null, over = false, gone = false, done = null;
let summary = null, payBox = null, asked = 0;

const query = new URLSearchParams(location.search);

await startPage({
  current: "search", needsPerson: query.has("hold"),
  async load() {
    hold = query.has("hold") ? await service.findHold(query.get("hold")) : await service.timeOf(query);
    if (!hold) {
      gone = true;
      return;
    }
    groups = me() ? await service.groups() : [];
    form = emptyForm({ people: Math.max(1, Number(query.get("people")) || 1), name: me()?.name ?? "" });
    await priced();
  },
  draw(main, shell) {
    if (gone) return drawGone(main, shell);
    if (done) return drawDone(main, shell);
    drawForm(main, shell);
    return undefined;
  },
});

function drawGone(main, shell) {
  const title = h("h1", { class: "page-title" }, t("book.hold_gone_title"));
  replace(main, h("div", { class: "stack column" }, title,
    h("p", {}, t("book.hold_gone")), h("p", {}, h("a", { class: "button", href: to("search") }, t("book.nav_search")))));
  shell.arrive(title);
}

function drawForm(main, shell) {
  const title = h("h1", { class: "page-title" }, t("book.reserve_title"));
  const told = h("div", { class: "stack" }, failure && problemBox(failure), wrongList());
  summary = h("div", {});
  payBox = h("div", {});
  const button = h("button", { class: "button button-big", type: "submit" }, t("book.reserve_yes"));
  replace(main, h("div", { class: "stack" }, steps(2), title,
    h("div", { class: "two" },
      h("form", { class: "stack-l", novalidate: true, onsubmit: (event) => { event.preventDefault(); send(main, shell, button); } },
        told, fields(main, shell), h("div", { class: "stack-s" }, h("div", { class: "row" }, button,
          h("button", { class: "button button-quiet", type: "button", onclick: (event) => giveUp(event.currentTarget) }, t("book.give_up"))))),
      h("aside", { class: "stack", "aria-label": t("book.summary") }, hold.holdUntil && clock(main, shell), summary))));
  document.title = `${t("book.reserve_title")} | ${t("book.site")}`;
  drawPrice();
}

/** Where one is on the way: 1 time, 2 the form, 3 done. */
function steps(now) {
  return h("ol", { class: "way" }, [1, 2, 3].map((n) => h("li", { "aria-current": n === now ? "step" : null, class: n < now ? "way-done" : null },
    h("span", { class: "way-number", "aria-hidden": "true" }, n < now ? icon("check") : String(n)), t(`book.way_${n}`))));
}

function wrongList() {
  const names = Object.keys(wrong);
  if (!names.length) return null;
  return alert("bad", t("book.wrong_title"), h("ul", { class: "plain-list" }, names.map((name) =>
    h("li", {}, h("a", { href: `#${name}`, onclick: (event) => { event.preventDefault(); document.getElementById(name)?.focus(); } }, wrongWords(name))))));
}

function wrongWords(name) {
  return wrong[name] ? t(wrong[name], { n: hold.room.capacity ?? "", max: hold.room.holdersMax }) : null;
}

function fields(main, shell) {
  const text = (name, props = {}) => h("input", { class: "input", name, value: form[name], oninput: (event) => { form[name] = event.target.value; }, ...props });
  return [
    h("section", { class: "card stack", "aria-labelledby": "part-use" },
      h("h2", { id: "part-use" }, t("book.part_use")),
      field({ id: "purpose", label: t("book.purpose"), hint: t("book.purpose_hint"), error: wrongWords("purpose"), must: true }, text("purpose", { maxlength: "200", autocomplete: "off" })),
      field({ id: "people", label: t("book.people"), error: wrongWords("people"), must: true,
        hint: hold.room.capacity ? t("book.people_hint", { n: hold.room.capacity }) : null },
      text("people", { class: "input input-short", type: "number", min: "1", inputmode: "numeric", onchange: () => repriced() })),
      whoFor(), categories()),
    h("section", { class: "card stack", "aria-labelledby": "part-who" },
      h("h2", { id: "part-who" }, t("book.part_who")),
      field({ id: "name", label: t("book.your_name"), hint: me() ? t("book.your_name_hint") : null, error: wrongWords("name"), must: true }, text("name", { maxlength: "100", autocomplete: "name" })),
      me() && h("label", { class: "choice" }, h("input", { type: "checkbox", checked: form.forFamily, onchange: (event) => { form.forFamily = event.target.checked; } }), h("span", {}, t("book.for_family"))),
      field({ id: "contact", label: t("book.contact"), hint: t("book.contact_hint"), error: wrongWords("contact") }, text("contact", { maxlength: "200", autocomplete: "email" }))),
    hold.id && holders(main, shell),
    payBox,
  ];
}

function radios(name, legend, options, changed) {
  if (options.length < 2) return null;
  return h("fieldset", { class: "field", id: `set-${name}` }, h("legend", {}, legend),
    options.map(({ value, label, hint }, index) => h("label", { class: "choice choice-card wide" },
      h("input", { type: "radio", name, id: index ? `${name}-${index}` : name, value, checked: form[name] === value, onchange: () => { form[name] = value; changed(); } }),
      h("span", {}, h("span", { class: "label" }, label), hint && h("span", { class: "hint block" }, hint)))));
}

function whoFor() {
  return radios("groupId", t("book.who_for"), [
    { value: "", label: t("book.who_me") },
    ...groups.map((each) => ({ value: each.id, label: each.name, hint: each.evidenceUntil && each.evidenceUntil > hold.startsAt ? null : t("book.group_no_evidence") })),
  ], repriced);
}

function categories() {
  return radios("category", t("book.category"), ["resident", "outside", "commercial"]
    .map((each) => ({ value: each, label: t(`book.category_${each}`), hint: t(`book.category_${each}_hint`) })), repriced);
}

function payment() {
  const methods = quote?.methods.filter((each) => !["free", "exempt"].includes(each)) ?? [];
  if (!methods.length) return null;
  if (!methods.includes(form.method)) form.method = methods[0];
  if (methods.length === 1) {
    return h("section", { class: "card stack", "aria-labelledby": "part-pay" }, h("h2", { id: "part-pay" }, t("book.part_pay")),
      h("p", {}, h("strong", {}, t(`book.method_${methods[0]}`))), h("p", { class: "hint" }, t(`book.method_${methods[0]}_hint`)));
  }
  return h("section", { class: "card stack" }, radios("method", t("book.part_pay"),
    methods.map((each) => ({ value: each, label: t(`book.method_${each}`), hint: t(`book.method_${each}_hint`) })), () => {}));
}

function holders(main, shell) {
  const redraw = (focus) => {
    drawForm(main, shell);
    document.getElementById(focus)?.focus();
  };
  const input = (holder, name, props) => h("input", { class: "input", value: holder[name], autocomplete: "off", oninput: (event) => { holder[name] = event.target.value; }, ...props });
  const one = (holder, index) => h("li", { class: "holder" },
    field({ id: `holder-${index}`, label: t("book.holder_n", { n: index + 1 }), error: wrongWords(`holder-${index}`) }, input(holder, "name", { maxlength: "100" })),
    field({ id: `contact-${index}`, label: t("book.holder_contact"), hint: t("book.holder_hint") }, input(holder, "contact", { maxlength: "200", type: "email" })),
    h("button", { class: "button button-quiet", type: "button", "aria-label": t("book.holder_remove", { n: index + 1 }), onclick: () => { form.holders.splice(index, 1); redraw("holder-more"); } }, icon("close"), t("book.way_remove")));
  const most = Math.max(0, hold.room.holdersMax - 1);
  if (!most) return null;
  return h("section", { class: "card stack", "aria-labelledby": "part-keys" },
    h("h2", { id: "part-keys" }, t("book.part_keys")), h("p", { class: "hint" }, t("book.keys_hint")),
    form.holders.length > 0 && h("ul", { class: "plain-list stack" }, form.holders.map(one)),
    form.holders.length < most && h("button", { class: "button button-second", type: "button", id: "holder-more", onclick: () => { form.holders.push({ name: "", contact: "" }); redraw(`holder-${form.holders.length - 1}`); } }, t("book.holder_more")));
}

function drawPrice() {
  replace(payBox, payment());
  replace(summary, h("div", { class: "card card-first stack" },
    h("h2", {}, hold.room.name),
    facts([
      [t("book.facility"), hold.facility?.name],
      [t("book.when"), span(hold.startsAt, hold.endsAt, { year: true })],
      [t("book.fee"), quote && h("span", { class: "big-yen" }, yen(quote.fee))],
      [t("book.fee_less"), quote && quote.percent > 0 && t("book.percent_less", { n: quote.percent })],
    ]),
    quote && (quote.reasons.length
      ? h("div", { class: "stack-s" }, badge("wait", t("book.clerk_will_look")), h("ul", { class: "reasons" }, quote.reasons.map((each) => h("li", {}, each.words()))))
      : badge("good", t("book.decided_at_once")))));
}

/** The countdown: seen all the time, read out at five, two and one minutes. */
function clock(main, shell) {
  const left = h("strong", { class: "number" });
  const box = h("div", { class: "countdown" });
  let before = holdStanding(hold.holdUntil, nowS()).left;
  const tick = () => {
    if (!box.isConnected && box.dataset.shown) return;
    box.dataset.shown = "1";
    const now = holdStanding(hold.holdUntil, nowS());
    over = now.over;
    if (over) {
      replace(box, alert("warn", t("book.hold_over"), h("p", {}, t("book.hold_over_text")),
        h("p", {}, h("button", { class: "button", type: "button", onclick: (event) => holdAgain(main, shell, event.currentTarget) }, t("book.hold_again")))));
      return;
    }
    left.textContent = countdown(now.left);
    box.classList.toggle("countdown-hurry", now.hurry);
    const spoken = spokenAt(before, now.left);
    if (spoken) shell.say(t("book.hold_left", { time: countdown(spoken) }));
    before = now.left;
    setTimeout(tick, 1000);
  };
  replace(box, icon("clock"), h("p", {}, t("book.hold_kept"), " ", left));
  tick();
  return box;
}

async function holdAgain(main, shell, button) {
  await attempt(main, shell, button, async () => {
    hold = await service.hold({ roomId: hold.roomId, startsAt: hold.startsAt, endsAt: hold.endsAt, people: Number(form.people) || 1 });
    history.replaceState(null, "", to("reserve", { hold: hold.id, people: form.people }));
    over = false;
  });
}

async function send(main, shell, button) {
  wrong = wrongIn(form, { capacity: hold.room.capacity, holdersMax: hold.room.holdersMax, methods: quote?.methods.filter((each) => !["free", "exempt"].includes(each)) ?? [] });
  failure = null;
  if (Object.keys(wrong).length) {
    drawForm(main, shell);
    document.getElementById(Object.keys(wrong)[0])?.focus();
    return;
  }
  await attempt(main, shell, button, async () => {
    if (over && hold.id) {
      hold = await service.hold({ roomId: hold.roomId, startsAt: hold.startsAt, endsAt: hold.endsAt, people: Number(form.people) });
    }
    const booking = await service.book(hold, form);
    if (me()) {
      const told = booking.notAdded.map((name) => ["not-added", name]);
      location.assign(booking.redirectUrl ?? to("booking", [["id", booking.id], ["new", "1"], ...told]));
      return;
    }
    done = booking;
    shell.draw();
  });
}

async function attempt(main, shell, button, work) {
  try {
    await busy(button, work);
    failure = null;
  } catch (error) {
    failure = error;
    if (typeof error.words !== "function") throw error;
  }
  if (button.isConnected) drawForm(main, shell);
  document.querySelector("[role=alert]")?.scrollIntoView({ block: "center" });
}

/** For somebody without an account: all there is to keep is on this page. */
function drawDone(main, shell) {
  const title = h("h1", { class: "page-title" }, t(done.status === "pending" ? "book.done_pending" : "book.done_confirmed"));
  replace(main, h("div", { class: "stack-l column" }, steps(3), title,
    h("section", { class: "card card-first stack" }, badges(done, nowS()), h("h2", {}, done.room.name), h("p", { class: "next-when" }, span(done.startsAt, done.endsAt, { year: true })),
      doNext(done, nowS()),
      done.keyLink && h("p", {}, h("a", { class: "button button-big", href: done.keyLink }, icon("key"), t("book.open_key"))),
      done.keyLink && h("p", {}, t("book.keep_link"))),
    why(done),
    h("div", { class: "card" }, details(done)),
    h("p", { class: "no-print" }, h("button", { class: "button button-second", type: "button", onclick: () => window.print() }, icon("print"), t("ui.print")))));
  shell.arrive(title);
}

async function giveUp(button) {
  if (hold.id) await busy(button, () => service.release(hold)).catch(() => null); // it runs out by itself
  location.assign(to("search"));
}

async function priced() {
  const turn = ++asked;
  const told = await service.quote({
    roomId: hold.roomId, startsAt: hold.startsAt, endsAt: hold.endsAt,
    people: Number(form.people) || 1, category: form.category, groupId: form.groupId || null,
  });
  if (turn === asked) quote = told;
}

async function repriced() {
  try {
    await priced();
    drawPrice();
  } catch (error) {
    if (typeof error.words !== "function") throw error;
    replace(summary, problemBox(error));
  }
}

