// Decides what the key page shows and offers, from what this device holds and what just happened.
//
// Pure: no DOM, no fetch, no clock, no storage. `view(situation, now)` makes the picture,
// `next(situation, event)` the situation after an event; neither changes what it is given.
// Deliberately not here: wording (texts by code), the protocol, where keys are kept.
// Invariant: nothing in here opens a door. Only a press leads to an attempt, and a phone's clock
// that was not held against the town's hides a choice behind one more press, but takes none away.

export const LONG_WAIT_MIN = 120; // beyond it a time of day says more than minutes
const TOLD_OPEN_S = 12; // how long the button shows the open door
const TOLD_S = 90; // how long a success stays in words
export const KEPT_S = 7 * 86_400; // a key that is over is forgotten after a week

export const EARLY = "early";
export const OPEN = "open";
export const ENDED = "ended";
export const GONE = "gone";

/** The situation before anything happened. Times are Unix seconds. */
export function initial(given = {}) {
  return {
    keys: [],
    chosenId: null,
    doorId: null, // the lock id of the sticker that led here
    door: null, // what the town says of that door: {facility, room, book_url}
    secret: false, // whether the address holds a link's secret
    claim: { phase: "offered", code: null, texts: null },
    attempt: { phase: "idle" },
    explained: 0, // presses that could only explain; each is told anew
    can: { radio: "absent", network: true, keep: true }, // radio: "ready", "off" or "absent"
    browser: null, // the app whose browser this is
    stays: false, // the person chose to stay in it
    townsClock: false, // whether `now` was held against the town's clock
    loaded: false,
    ...given,
  };
}

/** Where a key stands at `now`: early, open, ended or gone. */
export function phaseOf(key, now) {
  if (key.gone) return GONE;
  if (now < key.opensAt) return EARLY;
  return now < key.closesAt ? OPEN : ENDED;
}

const RANK = { [OPEN]: 0, [EARLY]: 1, [ENDED]: 2, [GONE]: 3 };

/** The keys in the order of their use: what is open, what comes next, what is over. */
export function ordered(keys, now) {
  return [...keys].sort((a, b) => {
    const [first, second] = [phaseOf(a, now), phaseOf(b, now)];
    if (first !== second) return RANK[first] - RANK[second];
    const sooner = a.startsAt - b.startsAt || (a.id < b.id ? -1 : 1);
    return RANK[first] < 2 ? sooner : -sooner;
  });
}

/** The key on display: the chosen one, else the best one for the sticker's door, else the best. */
export function shown(situation, now) {
  const keys = ordered(situation.keys, now);
  const chosen = keys.find((key) => key.id === situation.chosenId);
  if (chosen) return chosen;
  if (situation.doorId) return keys.find((key) => opens(key, situation.doorId)) ?? null;
  return keys[0] ?? null;
}

const opens = (key, lockId) => key.doors.some((door) => door.lockId === lockId);

/** Which way to the door a press takes: "bluetooth", "relay" or null; `wanted` is the person's. */
export function wayFor(situation, key, wanted = null) {
  const ways = [];
  if (situation.can.radio === "ready") ways.push("bluetooth");
  if (situation.can.network && key.hasTicket) ways.push("relay");
  if (wanted !== null) return ways.includes(wanted) ? wanted : null;
  return ways[0] ?? null;
}

/** What the big button does now: {do, way, code}; `do` is "open", "explain" or "wait". */
export function press(situation, key, now, wanted = null) {
  if (situation.attempt.phase === "working") return { do: "wait" };
  const phase = phaseOf(key, now);
  if (phase === GONE) return { do: "explain", code: key.gone };
  if (phase !== OPEN && wanted === null) {
    return { do: "explain", code: phase === EARLY ? "NOT_YET_VALID" : "EXPIRED" };
  }
  const way = wayFor(situation, key, wanted === "try" ? null : wanted);
  return way === null ? { do: "explain", code: noWay(situation) } : { do: "open", way };
}

const noWay = ({ can }) => (can.radio === "off" ? "BLUETOOTH_OFF" : "NO_WAY_TO_DOOR");
const NO_WAYS = ["BLUETOOTH_OFF", "NO_WAY_TO_DOOR"];

/** The situation after an event. */
export function next(situation, event) {
  const step = STEPS[event.kind];
  if (step === undefined) throw new Error(`no such event: ${event.kind}`);
  return { ...situation, ...step(situation, event) };
}

const IDLE = { phase: "idle" };

const STEPS = {
  loaded: (_, event) => ({ keys: event.keys, loaded: true }),
  stays: () => ({ stays: true }),
  network: (was, event) => ({ can: { ...was.can, network: event.is } }),
  radio: (was, event) => ({ can: { ...was.can, radio: event.is } }),
  clock: () => ({ townsClock: true }),
  door: (_, event) => ({ door: event.door }),
  choose: (_, event) => ({ chosenId: event.id, attempt: IDLE, explained: 0 }),
  claiming: () => ({ claim: { phase: "working", code: null, texts: null } }),
  refused: (_, event) => ({
    claim: { phase: "refused", code: event.code, texts: event.texts ?? null },
  }),
  claimed: (was, event) => ({
    keys: with_(was.keys, event.key),
    chosenId: event.key.id,
    secret: false,
    claim: { phase: "done", code: null, texts: null },
    attempt: { phase: "told", code: "key.claimed", granted: true, notice: true, at: event.at },
  }),
  linked: () => ({ secret: true, claim: { phase: "offered", code: null, texts: null } }),
  unlinked: () => ({ secret: false, claim: { phase: "offered", code: null, texts: null } }),
  kept: (was, event) => ({ keys: with_(was.keys, event.key) }),
  notice: (_, event) => ({
    attempt: { phase: "told", code: event.code, granted: true, notice: true, at: event.at },
  }),
  forgot: (was, event) => ({
    keys: was.keys.filter((key) => key.id !== event.id),
    chosenId: was.chosenId === event.id ? null : was.chosenId,
    attempt: IDLE,
  }),
  explained: (was, event) => ({
    explained: was.explained + 1,
    attempt: { phase: "told", code: event.code, granted: false, explains: true },
  }),
  pressed: (_, event) => ({
    attempt: { phase: "working", way: event.way, command: event.command, step: "search" },
  }),
  progress: (was, event) =>
    was.attempt.phase === "working" ? { attempt: { ...was.attempt, step: event.step } } : {},
  outcome: (was, event) => ({
    attempt: {
      phase: "told",
      way: was.attempt.way,
      command: was.attempt.command,
      ...event.result,
      at: event.at,
    },
  }),
};

function with_(keys, key) {
  return [...keys.filter((each) => each.id !== key.id), key];
}

/** The picture: which screen, which key, what the button says, what is told, what is offered. */
export function view(before, now) {
  const screen = screenOf(before, now);
  if (screen !== "key") return { screen, ...OTHERS[screen](before, now) };
  const key = shown(before, now);
  const phase = phaseOf(key, now);
  const situation = { ...before, attempt: standing(before, key, phase, now) };
  const told = toldOf(situation, key, phase, now);
  return {
    screen,
    key,
    phase,
    minutesLeft: phase === EARLY ? minutes(key.opensAt - now) : null,
    others: ordered(situation.keys, now)
      .filter((each) => each.id !== key.id)
      .map((each) => ({ key: each, phase: phaseOf(each, now) })),
    button: buttonOf(situation, key, phase, now),
    canLock: phase === OPEN && !isUnlocking(situation.attempt),
    says: told,
    helps: helpsFor(situation, key, phase, told, now),
    tools: toolsFor(situation, key, phase),
    network: situation.can.network,
    radio: situation.can.radio,
  };
}

/** While a door is being opened, and while it would not open, locking it is beside the point. */
const isUnlocking = ({ phase, granted, command }) =>
  phase === "working" || (phase === "told" && !granted && command === "unlock");

const EXPLAINED_IN = { NOT_YET_VALID: EARLY, EXPIRED: ENDED };

/** The attempt as far as it still says something: time and signal make some of it untrue. */
function standing(situation, key, phase, now) {
  const { attempt } = situation;
  if (attempt.granted && now - attempt.at >= TOLD_S) return IDLE;
  if (!attempt.explains) return attempt;
  if (NO_WAYS.includes(attempt.code)) return wayFor(situation, key) === null ? attempt : IDLE;
  return (EXPLAINED_IN[attempt.code] ?? phase) === phase ? attempt : IDLE;
}

function screenOf(situation, now) {
  if (!situation.loaded) return "loading";
  if (!situation.can.keep) return "browser";
  if (situation.browser && !situation.stays && (situation.secret || !situation.keys.length)) {
    return "browser";
  }
  if (situation.secret) return "claim";
  if (shown(situation, now)) return "key";
  return situation.doorId ? "door" : "empty";
}

const OTHERS = {
  loading: () => ({}),
  browser: (situation) => ({
    app: situation.browser ?? "other",
    mayStay: situation.can.keep,
    hasLink: situation.secret,
  }),
  claim: (situation) => ({
    phase: situation.claim.phase,
    says: situation.claim.code && sentence(situation.claim.code, { texts: situation.claim.texts }),
    helps: claimHelps(situation),
    others: situation.keys.length,
  }),
  door: (situation) => ({
    door: situation.door,
    network: situation.can.network,
    others: situation.keys.length,
  }),
  empty: (situation) => ({ network: situation.can.network }),
};

const NEVER_AGAIN = ["OTHER_DEVICE", "UNKNOWN_KEY", "BOOKING_CANCELLED", "BOOKING_OVER", "BAD_LINK"];

function claimHelps({ claim, keys }) {
  if (claim.phase !== "refused") return [];
  const helps = [];
  if (!NEVER_AGAIN.includes(claim.code)) helps.push({ do: "claim" });
  if (["OTHER_DEVICE", "UNKNOWN_KEY"].includes(claim.code)) helps.push({ do: "new-link" });
  if (claim.code === "OTHER_DEVICE") helps.push({ do: "not-me" });
  if (keys.length) helps.push({ do: "my-keys" });
  return helps;
}

function buttonOf(situation, key, phase, now) {
  const { attempt } = situation;
  if (attempt.phase === "working") {
    return { state: "working", label: "key.working", hint: STEP_HINTS[attempt.step] };
  }
  if (attempt.code === "OPENED" && now - attempt.at < TOLD_OPEN_S) {
    return { state: "opened", label: "key.opened", hint: null };
  }
  if (phase === EARLY) return { state: "early", label: "key.open", ...wait(minutes(key.opensAt - now)) };
  if (phase !== OPEN) return { state: "over", label: "key.open", hint: null };
  const way = wayFor(situation, key);
  return { state: "ready", label: "key.open", hint: HINTS[way] };
}

const wait = (left) =>
  left <= LONG_WAIT_MIN ? { hint: "key.hint_minutes", params: { minutes: left } } : { hint: "key.hint_early" };

const HINTS = { bluetooth: "key.hint_here", relay: "key.hint_here", null: "key.hint_no_way" };
// The steps of protocol/opening.js; "search" is before the first.
const STEP_HINTS = {
  search: "key.step_search",
  connect: "key.step_search",
  greet: "key.step_connect",
  present: "key.step_talk",
  time: "key.step_time",
  confirm: "key.step_move",
  carry: "key.step_move",
};

/** What is told beside the button: {tone, code, params, texts}; tones: calm, good, wait, bad. */
function toldOf(situation, key, phase, now) {
  const { attempt } = situation;
  if (attempt.phase === "working") return { tone: "calm", code: STEP_HINTS[attempt.step], again: attempt.step };
  if (attempt.phase === "told") return toldAfter(situation, key, now);
  if (phase === GONE) return { tone: "bad", ...sentence(key.gone, {}) };
  if (phase === ENDED) return { tone: "calm", ...sentence("EXPIRED", {}) };
  if (phase === EARLY) return { tone: "wait", ...notYet(key.opensAt, now) };
  return { tone: "calm", code: "key.ready" };
}

function toldAfter({ attempt, explained }, key, now) {
  const again = attempt.explains ? explained : attempt.at;
  if (attempt.granted) return { tone: "good", ...sentence(attempt.code, {}), again };
  const opensAt = attempt.opensAt ?? key.opensAt;
  if (attempt.code === "NOT_YET_VALID") return { tone: "wait", ...notYet(opensAt, now), again };
  const facts = { room: nameOf(key), texts: attempt.texts };
  return { tone: TONES[attempt.code] ?? "bad", ...sentence(attempt.code, facts), again };
}

/** A room's name by language where the town has one, else as it is. */
const nameOf = ({ room, words }) => (words?.room?.ja ? words.room : room);

const TONES = { BUSY: "wait", RELAY_BUSY: "wait", EXPIRED: "calm", ALREADY_OPEN: "good" };

function notYet(opensAt, now) {
  const left = minutes(opensAt - now);
  if (left <= LONG_WAIT_MIN) return { code: "NOT_YET_VALID", params: { minutes: left } };
  return { code: "NOT_YET_VALID_LONG", params: { opens_at: { time: opensAt } } };
}

const minutes = (seconds) => Math.max(1, Math.ceil(seconds / 60));

/** Code and places of a sentence; it says less where less is known. */
export function sentence(code, { room, texts }) {
  if (texts) return { code, texts };
  if (code === "WRONG_LOCK") return room ? { code, params: { room } } : { code: `${code}_PLAIN` };
  return { code };
}

const TRY_AGAIN = [
  "BUSY", "RELAY_BUSY", "NO_LOCK", "UNREACHABLE", "TIMEOUT", "NO_SESSION", "RELAY_OVER",
  "RELAY_FAILED", "GATEWAY_OFFLINE", "JAMMED", "NOT_GENUINE", "TIME_UNKNOWN", "TIME_REJECTED",
  "OFFLINE", "FULL", "REFUSED", "FAULT", "OTHER_BASE", "NOT_CHOSEN", "BLUETOOTH_OFF",
  "BLUETOOTH_BLOCKED", "BLUETOOTH_ABSENT", "TOO_MANY",
];
const OTHER_WAY = [
  "NO_LOCK", "UNREACHABLE", "TIMEOUT", "NO_SESSION", "RELAY_OVER", "RELAY_FAILED", "OFFLINE",
  "GATEWAY_OFFLINE", "NOT_GENUINE", "TIME_UNKNOWN", "TIME_REJECTED", "NO_TICKET", "REFUSED",
  "BLUETOOTH_OFF", "BLUETOOTH_BLOCKED", "BLUETOOTH_ABSENT", "NOT_CHOSEN", "FAULT",
];
const COLLECT_AGAIN = [
  "BAD_MAC", "BAD_SIGNATURE", "MALFORMED", "TOO_LARGE", "UNKNOWN_ISSUER", "NO_TICKET",
  "NOT_ALLOWED_TO_ISSUE", "REVOKED", "NO_KEY", "WRAPPED_FOR_ANOTHER",
];
// The PIN has the key's own window; it helps where the phone or the way to the door fails.
const NO_PIN = [
  "BUSY", "RELAY_BUSY", "EXPIRED", "NOT_YET_VALID", "REVOKED", "WRONG_LOCK", "JAMMED",
  "BOOKING_CANCELLED", "UNKNOWN_KEY", "SPENT", "STORAGE", "key.ready",
];

/** What to do next, the most useful first: [{do, ...}]. */
function helpsFor(situation, key, phase, told, now) {
  const { attempt, can } = situation;
  if (attempt.phase === "working" || attempt.granted) return [];
  const code = attempt.phase === "told" ? attempt.code : null;
  const helps = [];
  if (code !== null) helps.push(...afterRefusal(situation, key, phase, code, now));
  if (code === null && phase === OPEN && wayFor(situation, key) === null) {
    helps.push(...lastResorts(key, null));
  }
  if (phase === GONE && can.network && key.gone === "REVOKED") helps.push({ do: "refresh" });
  if (phase === GONE && can.network && key.gone === "KEY_REPLACED") helps.push({ do: "new-link" });
  if (phase === GONE || phase === ENDED) helps.push(...phoneOf(key));
  return unique(helps);
}

function afterRefusal(situation, key, phase, code, now) {
  const { attempt, can } = situation;
  const helps = [];
  if (code === "WRONG_LOCK") helps.push(...rightKey(situation, attempt.door, key, now));
  if (attempt.explains && !situation.townsClock && phase !== GONE) {
    if (wayFor(situation, key) !== null) helps.push({ do: "try" });
  }
  if (attempt.command !== "lock" && OTHER_WAY.includes(code)) {
    const other = attempt.way === "bluetooth" ? "relay" : "bluetooth";
    if (wayFor(situation, key, other) !== null) helps.push({ do: other });
  }
  if (COLLECT_AGAIN.includes(code) && can.network) helps.push({ do: "refresh" });
  if (TRY_AGAIN.includes(code) && !isBigButtons(situation, key)) {
    helps.push({ do: "again", command: attempt.command, way: attempt.way });
  }
  if (phase !== EARLY && code !== "BUSY" && code !== "RELAY_BUSY") {
    helps.push(...lastResorts(key, code));
  }
  return helps;
}

/** Whether the big button would do the same once more: then it needs no other button. */
const isBigButtons = (situation, key) =>
  situation.attempt.command === "unlock" && situation.attempt.way === wayFor(situation, key);

/** The key of this device that the door in front of us would take, or where the right one is. */
function rightKey(situation, doorId, key, now) {
  const usable = ordered(situation.keys, now).find(
    (each) => doorId && each.id !== key.id && opens(each, doorId) && phaseOf(each, now) === OPEN,
  );
  if (usable) return [{ do: "switch", id: usable.id, room: nameOf(usable) }];
  return key.howToFind || key.address ? [{ do: "find" }] : [];
}

function lastResorts(key, code) {
  return [...(key.pin && !NO_PIN.includes(code) ? [{ do: "pin" }] : []), ...phoneOf(key)];
}

const phoneOf = (key) => (key.phone ? [{ do: "phone", phone: key.phone }] : []);

function unique(helps) {
  return helps.filter((help, at) => helps.findIndex((each) => each.do === help.do) === at);
}

function toolsFor({ can }, key, phase) {
  const living = phase === EARLY || phase === OPEN;
  const tools = [];
  if (living) tools.push("slip");
  if (living && key.hasLink) {
    if (key.hasTicket) tools.push({ do: "hand-over", needs: can.network });
    tools.push({ do: "cancel", needs: can.network }, { do: "not-me", needs: can.network });
  }
  if (!living) tools.push("forget");
  return tools.map((tool) => (typeof tool === "string" ? { do: tool, needs: true } : tool));
}

/** Which keys are over for so long that this device shall forget them. */
export function outworn(keys, now) {
  return keys.filter((key) => key.closesAt + KEPT_S <= now).map((key) => key.id);
}
