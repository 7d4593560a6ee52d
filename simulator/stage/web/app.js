// Puts the page together: one picture comes in, every section shows its part of it.

import { follow } from "./api.js";
import { makeBooking } from "./booking.js";
import { el, keyed, say, setAttribute, setText, translate } from "./dom.js";
import { makeDoors } from "./doors.js";
import { makeFoot } from "./foot.js";
import { choose, dayOf, lang, loadTexts, secondsOf, t } from "./i18n.js";
import { makeParts } from "./whatif.js";
import { makePhone } from "./phone.js";
import { makeRecord } from "./record.js";

const DOWN = {
  stage: "down.stage", cloud: "down.cloud", phone: "down.phone", world: "down.world",
  parts: "down.parts",
};
const SECTIONS = ["main", "doors", "book", "phone", "record", "whatif"];

const place = (id) => document.getElementById(id);
let picture = null;
let receivedAtMs = 0;
let isStageUp = true;
let whenShown = () => {}; // done once, after the first picture
let sections = [];

function townNow() {
  return picture.now + (performance.now() - receivedAtMs) / 1000;
}

function show(next) {
  picture = next;
  receivedAtMs = performance.now();
  isStageUp = true;
  update();
  whenShown();
  whenShown = () => {};
}

function update() {
  showNotices();
  if (!picture) return;
  tick();
  setText(place("town-name"), picture.town ? `・${picture.town}` : "");
  for (const section of sections) section.update(picture, townNow());
}

function showNotices() {
  const up = { ...picture?.up, stage: isStageUp };
  const down = isStageUp ? Object.keys(DOWN).filter((name) => up[name] === false) : ["stage"];
  keyed(place("notices"), down, (name) => name,
    (name) => ({ node: el("p", { class: "notice", t: DOWN[name], "data-down": name }) }), () => {});
}

function tick() {
  if (!picture) return;
  setText(place("clock-time"), secondsOf(townNow()));
  setText(place("clock-day"), dayOf(townNow()));
  setAttribute(place("clock"), "title", t("clock.note"));
}

function speak(wanted) {
  choose(wanted);
  for (const button of document.querySelectorAll("[data-lang]:not(html)")) {
    button.setAttribute("aria-pressed", String(button.dataset.lang === wanted));
  }
  document.title = t("page.title");
  translate(document);
  update();
}

/** The secret of a key link that this page was opened by, as a whole link; else null. */
function arrivingLink() {
  const fragment = location.hash.slice(1);
  const isLink = location.pathname === "/phone" && fragment && !SECTIONS.includes(fragment);
  return isLink ? location.href : null;
}

async function start() {
  await loadTexts();
  const phone = makePhone(place("phone"), townNow);
  const booking = makeBooking(place("book"), townNow, phone);
  sections = [makeDoors(place("doors")), phone, booking, makeRecord(place("record")),
    makeParts(place("whatif"))];
  makeFoot(place("foot"));
  for (const button of document.querySelectorAll("[data-lang]:not(html)")) {
    button.addEventListener("click", () => speak(button.dataset.lang));
  }
  speak(lang());
  const link = arrivingLink();
  if (link) whenShown = () => phone.take(link);
  follow(show, () => {
    isStageUp = false;
    showNotices();
  });
  setInterval(tick, 250);
  setInterval(update, 5000); // "3 s ago" grows older by itself
}

start().catch(() => {
  const notice = el("p", { class: "notice" });
  say(notice, "down.stage");
  notice.textContent = "この画面を用意できませんでした。読み込み直してください。 / Please reload this page.";
  place("notices").append(notice);
});
