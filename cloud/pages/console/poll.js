// Keeps an answer of the service fresh: asks again and again, one question at a time.
//
// Decides when to ask next: `everyMs` after an answer, later and later while there is none, at once
// when the person comes back to the page, and not at all while nobody looks. An unchanged answer
// (ETag) costs no redraw. So questions never pile up, however slow the service is.

export const LONGEST_MS = 60_000;

/** How long to wait after `failures` failures in a row. */
export function waitMs(everyMs, failures) {
  return Math.min(everyMs * 2 ** Math.min(failures, 10), Math.max(everyMs, LONGEST_MS));
}

/**
 * `ask(etag)` -> {changed, etag, body, asOf}; `told({body, asOf, changed})`; `failed(error)`.
 * `timers`: {set, clear} and `looked()`: whether anybody looks. Returns {now(), stop()}.
 */
export function poll({ ask, told, failed, everyMs, timers, looked = () => true }) {
  let timer = null, etag = null, failures = 0, busy = false, stopped = false, again = false;
  const plan = (ms) => {
    timers.clear(timer);
    timer = stopped ? null : timers.set(turn, ms);
  };
  const turn = async () => {
    if (stopped || busy) {
      again = busy;
      return;
    }
    if (!looked()) return; // coming back calls now()
    busy = true;
    again = false;
    try {
      const answer = await ask(etag);
      if (stopped) return;
      failures = 0;
      etag = answer.etag;
      told(answer);
    } catch (error) {
      if (stopped) return;
      failures += 1;
      failed(error);
    } finally {
      busy = false;
      plan(again ? 0 : waitMs(everyMs, failures));
    }
  };
  turn();
  return {
    now: () => turn(),
    stop() {
      stopped = true;
      timers.clear(timer);
    },
  };
}
