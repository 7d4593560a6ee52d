// Asks the page's own server. An answer is parsed JSON, an ApiProblem with words for people, or
// Offline; nothing waits for ever, and nothing is tried twice behind the caller's back.

import { t, theirs } from "./texts.js";

const PATIENCE_MS = 20000;

/** The service said no: status, its code, its sentences by language, when to try again. */
export class ApiProblem extends Error {
  constructor(status, body, retryAfterS = null) {
    const { code, ...texts } = body && typeof body === "object" ? body : {};
    super(typeof code === "string" ? code : `HTTP_${status}`);
    this.name = "ApiProblem";
    this.status = status;
    this.code = this.message;
    this.texts = texts;
    this.retryAfterS = retryAfterS;
  }

  /** What the person is told, in the language of now. */
  words() {
    return theirs(this.texts) ?? t("ui.failed");
  }
}

/** There was no answer: no signal, or the service is away. */
export class Offline extends Error {
  constructor() {
    super("OFFLINE");
    this.name = "Offline";
    this.code = "OFFLINE";
  }

  words() {
    return t("ui.offline");
  }
}

/** `call("POST", "/v1/holds", {...})` -> parsed JSON, or null where the answer has no body. */
export async function call(method, path, body, { bearer, timeoutMs = PATIENCE_MS, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined && body !== null) headers["Content-Type"] = "application/json";
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  const until = AbortSignal.timeout(timeoutMs);
  const request = {
    method, headers, credentials: "same-origin", cache: "no-store", redirect: "error",
    signal: signal ? AbortSignal.any([signal, until]) : until,
    body: headers["Content-Type"] ? JSON.stringify(body) : undefined,
  };
  let response, text;
  try {
    response = await fetch(path, request);
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Offline();
  }
  return settled(response.status, text, response.headers.get("Retry-After"));
}

/** The parsed answer, or the problem it is. */
export function settled(status, text, retryAfter = null) {
  const parsed = parse(text);
  const seconds = Number(retryAfter);
  if (status < 200 || status > 299) {
    throw new ApiProblem(status, parsed, retryAfter !== null && Number.isFinite(seconds) ? seconds : null);
  }
  if (parsed === undefined) throw new ApiProblem(status, { code: "NOT_JSON" });
  return parsed;
}

function parse(text) {
  if (!text) return null;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
