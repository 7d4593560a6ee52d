/**
 * One JSON request to the town's service with a relay ticket. Decides how a failure is told:
 * TransportError with the town's code and texts, OFFLINE when it cannot be reached.
 *
 *   request(method, url, {body, ticket, withinMs, fetch, keepalive}) -> object ({} for 204)
 *
 * OFFLINE is also what no JSON means: a Wi-Fi's login page, a proxy without its service.
 * The ticket travels as a bearer; no cookie is sent or kept.
 */

import { TransportError } from "./errors.js";

const WITHIN_MS = 20_000;
const CODE = /^[A-Z][A-Z0-9_]{1,39}$/;
const LANGUAGES = ["ja", "ja-simple", "en"];

export async function request(method, url, how = {}) {
  const { body, ticket, withinMs = WITHIN_MS, keepalive = false } = how;
  const send = how.fetch ?? globalThis.fetch.bind(globalThis);
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (ticket) headers.Authorization = `Bearer ${ticket}`;
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), withinMs);
  try {
    const answer = await send(url, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: stop.signal,
      credentials: "omit",
      cache: "no-store",
      referrerPolicy: "no-referrer",
      keepalive,
    });
    return told(answer.status, answer.status === 204 ? {} : await answer.json());
  } catch (error) {
    if (error instanceof TransportError) throw error;
    throw new TransportError("OFFLINE", error?.name ?? "");
  } finally {
    clearTimeout(timer);
  }
}

function told(status, content) {
  const isObject = content !== null && typeof content === "object" && !Array.isArray(content);
  if (status < 400 && isObject) return content;
  const code = isObject && CODE.test(content.code) ? content.code : "REFUSED";
  const texts = isObject && LANGUAGES.every((lang) => typeof content[lang] === "string");
  throw new TransportError(code, `HTTP ${status}`, texts ? pick(content) : null);
}

function pick(content) {
  return Object.fromEntries(LANGUAGES.map((lang) => [lang, content[lang]]));
}
