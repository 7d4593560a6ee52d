// Gives a key to another phone: a deliberate act, asked for first. The link lives for an hour; this
// phone's key dies when the other one collects.

import { ApiProblem, call, Offline } from "../shared/api.js";
import { h } from "../shared/dom.js";
import { ask } from "../shared/parts.js";
import { t } from "../shared/texts.js";
import { clock } from "../shared/time.js";

/** Asks, makes the new link, shows it. */
export async function handOver(record, copy) {
  const made = await ask({
    title: t("key.hand_over"), body: h("p", {}, t("key.hand_over_lead")), yes: t("key.hand_over_do"), no: t("key.keep"),
    act: () => call("POST", "/v1/keys/hand-over", null, { bearer: record.ticket }),
  });
  if (!made) return;
  await show(made, await qrOf(made.key_link), copy);
}

/** The code as a picture, or null: the link in letters does as well. */
async function qrOf(link) {
  try {
    const { svg } = await call("POST", "/v1/keys/qr", { secret: link.split("#")[1] });
    return `data:image/svg+xml;base64,${btoa(svg)}`;
  } catch (error) {
    if (error instanceof Offline || error instanceof ApiProblem) return null;
    throw error;
  }
}

function show({ key_link: link, closes_at: closesAt }, picture, copy) {
  const body = h("div", { class: "stack new-link" },
    h("p", {}, t("key.hand_over_done", { until: clock(closesAt) })),
    picture && h("p", { class: "qr" }, h("img", { src: picture, alt: t("key.qr"), width: "240", height: "240" })),
    h("p", { class: "link-text mono" }, link),
    h("p", {}, h("button", { type: "button", class: "button button-second", onclick: (event) => copy(link, event.currentTarget) }, t("key.copy"))));
  return ask({ title: t("key.link"), body, yes: t("key.close"), no: null });
}
