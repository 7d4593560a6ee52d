// A clerk opens a door for somebody: with a reason, a deliberate press, and the staff key of this
// computer. The service only passes messages on; it could not open the door by itself.

import { call } from "../shared/api.js";
import { h, replace, setText } from "../shared/dom.js";
import { field, note, problemWords } from "../shared/parts.js";
import { has, t, theirs } from "../shared/texts.js";
import { clock } from "../shared/time.js";
import { BluetoothLink, support } from "../protocol/bluetooth.js";
import { toBase64url } from "../protocol/bytes.js";
import { FetchTown } from "../protocol/carrying.js";
import { credentialOf } from "../protocol/keywrap.js";
import { attempt } from "../protocol/opening.js";
import { RelayLink } from "../protocol/relay.js";
import { COMMAND_UNLOCK, COMMAND_UNLOCK_REMOTE } from "../protocol/session.js";

import { bookingWords } from "./booking.js";
import { deviceKey } from "./device.js";

const HOLD_MS = 1200;
const REASONS = ["phone_dead", "phone_lost", "no_phone", "key_refused", "other"];

export async function openDoor(desk, booking) {
  const lockId = await lockOf(booking);
  return new Promise((resolve) => {
    const reason = h("select", {}, h("option", { value: "" }, t("desk.open.choose")),
      REASONS.map((each) => h("option", { value: each }, t(`desk.open.reason.${each}`))));
    const more = h("input", { class: "input", maxlength: "200", autocomplete: "off" });
    const told = h("div", { role: "status" });
    const close = h("button", { class: "button button-second", type: "button", onclick: () => dialog.close() }, t("ui.close"));
    const near = h("input", { type: "checkbox", id: "open-near" });
    const hold = holdButton(t("desk.open.hold"), async () => {
      if (!reason.value || (reason.value === "other" && !more.value.trim())) {
        replace(told, note("warn", t("desk.open.reason_first")));
        reason.focus();
        return;
      }
      const said = [t(`desk.open.reason.${reason.value}`), more.value.trim()].filter(Boolean).join(": ");
      await tryIt({ booking, lockId, said, near: near.checked, told });
    });
    const dialog = h("dialog", { "aria-labelledby": "open-title", onclose: () => { dialog.remove(); resolve(); desk.draw(); } },
      h("div", { class: "dialog-body" },
        h("h2", { id: "open-title" }, t("desk.open.title")),
        h("p", {}, bookingWords(booking)),
        lockId === null ? note("warn", t("desk.open.no_lock")) : [
          field({ id: "open-reason", label: t("desk.open.reason"), must: true }, reason),
          field({ id: "open-more", label: t("desk.open.more") }, more),
          h("label", { class: "choice choice-inline", for: "open-near" }, near, t("desk.open.near")),
          hold, h("p", { class: "hint" }, t("desk.open.hold_hint")), told],
        h("div", { class: "dialog-actions" }, close)));
    document.body.append(dialog);
    dialog.showModal();
  });
}

async function lockOf(booking) {
  const rooms = await call("GET", "/v1/rooms");
  return rooms.find((each) => each.room_id === booking.room_id)?.lock_id ?? null;
}

async function tryIt({ booking, lockId, said, near, told }) {
  const step = h("p", {}, t("desk.open.step.key"));
  replace(told, step);
  let result;
  try {
    const device = await deviceKey();
    const issued = await call("POST", "/v1/staff/keys", {
      lock_id: lockId, booking_id: booking.booking_id, reason: said, device_key: toBase64url(device.publicKey),
    });
    const credential = await credentialOf(issued.credentials[0], device.pair.privateKey);
    const ticket = issued.relay_ticket;
    const onProgress = (name) => setText(step, t(`desk.open.step.${name}`));
    const radio = near && (await support()) === "ready";
    const town = new FetchTown({ lockId, ticket });
    result = radio
      ? await attempt(new BluetoothLink(lockId), credential, COMMAND_UNLOCK, { onProgress, town })
      : await attempt(new RelayLink({ lockId, ticket }), credential, COMMAND_UNLOCK_REMOTE, { onProgress, town });
  } catch (error) {
    replace(told, note("bad", problemWords(error)));
    return;
  }
  replace(told, result.granted ? note("good", t("desk.open.done")) : note("bad", refusalWords(result)));
}

function refusalWords(result) {
  if (result.code === "NOT_YET_VALID" && result.opensAt) return t("NOT_YET_VALID_LONG", { opens_at: clock(result.opensAt) });
  const plain = has(`${result.code}_PLAIN`) ? `${result.code}_PLAIN` : result.code;
  return theirs(result.texts) ?? t(has(plain) ? plain : "REFUSED");
}

/** A button that acts when it is held; by keyboard, when it is held as well. */
function holdButton(text, act) {
  let frame = 0, since = null, running = false;
  const button = h("button", { class: "button button-big hold", type: "button" }, text);
  const show = (part) => button.style.setProperty("--held", String(part));
  const stop = () => {
    cancelAnimationFrame(frame);
    since = null;
    show(0);
  };
  const tick = async (at) => {
    if (since === null) return;
    const part = Math.min(1, (at - since) / HOLD_MS);
    show(part);
    if (part < 1) {
      frame = requestAnimationFrame(tick);
      return;
    }
    stop();
    running = true;
    button.setAttribute("aria-busy", "true");
    try {
      await act();
    } finally {
      running = false;
      button.removeAttribute("aria-busy");
    }
  };
  const start = () => {
    if (since !== null || running) return;
    since = performance.now();
    frame = requestAnimationFrame(tick);
  };
  button.addEventListener("pointerdown", (event) => { if (event.button === 0) start(); });
  for (const name of ["pointerup", "pointercancel", "pointerleave", "blur"]) button.addEventListener(name, stop);
  button.addEventListener("keydown", (event) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    if (!event.repeat) start();
  });
  button.addEventListener("keyup", stop);
  return button;
}
