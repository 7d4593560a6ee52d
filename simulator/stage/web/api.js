// Asks this page's server. Every failure is a Failure with words; nothing waits for ever.

import { t, theirs } from "./i18n.js";

const LONGEST_MS = 50000;

const WORDS = {
  CLOUD_DOWN: "error.CLOUD_DOWN", PHONE_DOWN: "error.PHONE_DOWN", WORLD_DOWN: "error.WORLD_DOWN",
  STAGE_DOWN: "error.STAGE_DOWN", PARTS_DOWN: "error.PARTS_DOWN",
  UNKNOWN_PART: "error.UNKNOWN_PART", NOT_KILLABLE: "error.NOT_KILLABLE",
  PART_NOT_RUNNING: "error.PART_NOT_RUNNING", NOT_DONE: "error.NOT_DONE",
  NO_LINK: "error.NO_LINK", NO_NAME: "error.NO_NAME", NO_TIME: "error.NO_TIME",
  NO_ROOM: "error.NO_ROOM", BAD_LINK: "error.BAD_LINK",
};

export class Failure extends Error {
  constructor(body) {
    super(String(body?.code ?? "NOT_DONE"));
    this.body = body ?? {};
  }

  /** What the person is told, in the language of now. */
  words() {
    const ours = WORDS[this.message];
    if (ours) return t(ours);
    return theirs(this.body) ?? t("error.any", { code: this.message });
  }
}

export async function get(path) {
  return ask(path, { method: "GET" });
}

export async function post(path, body = {}) {
  return ask(path, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
}

async function ask(path, request) {
  let response, body;
  try {
    response = await fetch(path, { ...request, signal: AbortSignal.timeout(LONGEST_MS) });
    body = await response.json();
  } catch {
    throw new Failure({ code: "STAGE_DOWN" });
  }
  if (!response.ok) throw new Failure(body);
  return body;
}

/** Calls `show` with the picture whenever it changed; `lost` when the server is away. */
export function follow(show, lost) {
  const stream = new EventSource("/api/events");
  let overdue;
  const alive = () => {
    clearTimeout(overdue);
    overdue = setTimeout(again, 25000); // the server speaks every ten seconds
  };
  const again = () => {
    stream.close();
    lost();
    setTimeout(() => follow(show, lost), 1500);
  };
  stream.addEventListener("message", (event) => {
    alive();
    show(JSON.parse(event.data));
  });
  stream.addEventListener("error", () => {
    clearTimeout(overdue);
    again();
  });
  alive();
}
