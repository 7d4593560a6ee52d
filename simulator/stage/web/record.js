// The audit records that came home, as the staff sees them.

import { el, setText, say } from "./dom.js";
import { dayOf, secondsOf, t } from "./i18n.js";

const FEW_ROWS = 8;
const REASONS = {
  NOT_YET_VALID: "reason.NOT_YET_VALID", EXPIRED: "reason.EXPIRED", REVOKED: "reason.REVOKED",
  WRONG_LOCK: "reason.WRONG_LOCK", BAD_SIGNATURE: "reason.BAD_SIGNATURE", BAD_MAC: "reason.BAD_MAC",
  UNKNOWN_ISSUER: "reason.UNKNOWN_ISSUER", TIME_UNKNOWN: "reason.TIME_UNKNOWN", SCOPE: "reason.SCOPE",
  JAMMED: "reason.JAMMED", STORAGE: "reason.STORAGE", SPENT: "reason.SPENT", FULL: "reason.FULL",
  PIN_REFUSED: "reason.PIN_REFUSED", NOT_ALLOWED_TO_ISSUE: "reason.NOT_ALLOWED_TO_ISSUE",
};
const ALARMS = {
  jammed: "alarm.JAMMED", forced: "alarm.FORCED", held: "alarm.HELD", tamper: "alarm.TAMPER",
  "wrong-code": "alarm.WRONG_CODE", "keypad-disabled": "alarm.KEYPAD_DISABLED",
  "emergency-key": "alarm.EMERGENCY_KEY", evacuation: "alarm.EVACUATION", time: "alarm.TIME", fork: "alarm.FORK",
};
const OPERATIONS = {
  unlock: ["good", "event.unlock"], lock: ["plain", "event.lock"],
  "hold-open": ["good", "event.holdopen"], evacuate: ["alarm", "event.evacuate"],
};
const TIMES = { set: "event.timeset", reset: "event.timereset", checkpoint: "event.timenoted" };
const NUMBERED = { StatusList: "event.list", Keyset: "event.keyset", Config: "event.config", Gap: "event.gap" };
const PATHS = {
  offline: "source.HOLDER", relay: "source.REMOTE", auto: "source.AUTO", button: "source.BUTTON",
  manual: "source.MANUAL", keypad: "source.KEYPAD",
};
const COLUMNS = ["record.time", "record.door", "record.what", "record.who", "record.path", "record.chain"];

export function makeRecord(section) {
  const none = el("p", { class: "empty", t: "record.none" });
  let isLong = false;
  const more = el("button", { type: "button", class: "quiet more", on: { click: () => {
    isLong = !isLong;
    latest?.();
  } } });
  let latest = null;
  const body = el("tbody");
  const head = el("tr", {}, ...COLUMNS.map((key) => el("th", { scope: "col", t: key })));
  const table = el("table", { class: "record" }, el("thead", {}, head), body);
  section.append(
    el("h2", { id: "record-title", t: "record.title" }),
    el("p", { class: "section-lead", t: "record.lead" }), none, table, more);
  let drawn = "";
  return {
    update(picture, now) {
      latest = () => this.update(picture, now);
      const rooms = new Map(picture.rooms.map((room) => [room.lock_id, room.name]));
      none.hidden = picture.record.length > 0;
      table.hidden = !none.hidden;
      const rows = picture.record.slice(0, isLong ? undefined : FEW_ROWS).map((row) => cellsOf(row, rooms, now));
      more.hidden = picture.record.length <= FEW_ROWS;
      more.setAttribute("aria-expanded", String(isLong));
      say(more, isLong ? "record.less" : "record.more", { n: picture.record.length - FEW_ROWS });
      if (drawn === JSON.stringify(rows)) return;
      drawn = JSON.stringify(rows);
      body.replaceChildren(...rows.map(drawRow));
    },
  };
}

function cellsOf(row, rooms, now) {
  const [kind, what] = whatOf(row);
  return {
    kind,
    cells: [timeText(row.at, now), rooms.get(row.lock_id) || row.lock_id, what, row.holder_name || "–",
      PATHS[row.path] ? t(PATHS[row.path]) : "–", chainText(row.chain_ok)],
    chain: row.chain_ok,
    labels: COLUMNS.map((key) => t(key)),
  };
}

function timeText(at, now) {
  if (!Number.isFinite(at)) return t("record.notime");
  return dayOf(at) === dayOf(now) ? secondsOf(at) : `${dayOf(at)} ${secondsOf(at)}`;
}

function chainText(isIntact) {
  if (isIntact === true) return `✓ ${t("record.chainok")}`;
  return isIntact === false ? `✕ ${t("record.chainbad")}` : t("record.chainunknown");
}

/** [kind for colour, words] of a record. */
function whatOf({ event, result, reason }) {
  switch (event) {
    case "LockOperation": {
      const [kind, key] = OPERATIONS[result] || ["plain", "event.other"];
      return [kind, t(key)];
    }
    case "LockOperationError":
      return ["refused", `${t("event.refused")}: ${REASONS[reason] ? t(REASONS[reason]) : reason}`];
    case "DoorLockAlarm":
      return ["alarm", `${t("event.alarm")}: ${ALARMS[result] ? t(ALARMS[result]) : result}`];
    case "DoorState":
      return ["plain", t(result === "open" ? "event.dooropen" : "event.doorclosed")];
    case "Boot":
      return ["plain", t("event.boot")];
    case "StatusList": case "Keyset": case "Config": case "Gap":
      return ["plain", t(NUMBERED[event], { n: result })];
    case "Time":
      return ["plain", t(TIMES[result] || "event.timenoted")];
    case "PinAttempt":
      return ["plain", t("event.pin")];
    case "Keypad":
      return ["plain", t("event.keypadcleared")];
    default:
      return ["plain", `${t("event.other")} ${event}`];
  }
}

function drawRow({ kind, cells, chain, labels }) {
  const row = el("tr", { "data-kind": kind });
  cells.forEach((text, index) => {
    const cell = el("td", { "data-label": labels[index] });
    if (index === 1 || index === 3) cell.lang = "ja";
    if (index === 5) cell.className = chain === false ? "chain bad" : "chain";
    setText(cell, text);
    row.append(cell);
  });
  return row;
}
