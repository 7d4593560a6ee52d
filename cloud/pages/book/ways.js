// The addresses of this site. Decides where somebody may be sent back to: a path of this very site.

export const PAGES = {
  search: "/", reserve: "/reserve/", my: "/my/", booking: "/booking/", change: "/change/",
  signIn: "/sign-in/", account: "/account/", help: "/help/", privacy: "/privacy/",
};

/** The address of one of our pages with a query. */
export function to(page, query = {}) {
  const text = new URLSearchParams(query).toString();
  return text ? `${PAGES[page]}?${text}` : PAGES[page];
}

/** What stands in an address as the way back, or the first page: never another site's address. */
export function backTo(text) {
  return typeof text === "string" && /^\/(?![/\\])[\x21\x23-\x5b\x5d-\x7e]{0,500}$/.test(text) ? text : PAGES.search;
}

/** Where somebody signs in and then goes on to `back`; `reason`: which of book.sign_in_for_... */
export function signInFirst(back, reason = "") {
  return to("signIn", reason ? { to: back, reason } : { to: back });
}

/** A plain link that begins a sign-in with a provider and comes back to `back`. */
export function signInAt(providerId, back) {
  return `/v1/sign-in/${encodeURIComponent(providerId)}?${new URLSearchParams({ to: backTo(back) })}`;
}
