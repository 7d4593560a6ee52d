// Where in the console one is, as the part of the address behind #: it never reaches a server's log.
//
// `#/bookings/ab12?from=today` <-> {name: "bookings", id: "ab12", query: {from: "today"}}. Pure.

export const HOME = "today";

/** What an address means; anything unreadable is home. */
export function parseRoute(hash) {
  const [path, search = ""] = String(hash).replace(/^#\/?/, "").split("?");
  const [name = "", id = null] = path.split("/").filter(Boolean).map(decoded);
  const query = Object.fromEntries(new URLSearchParams(search));
  return name && name !== "undefined" ? { name, id, query } : { name: HOME, id: null, query };
}

/** The address of a place; members of `query` without a value are left out. */
export function routeTo(name, id = null, query = {}) {
  const told = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const search = new URLSearchParams(told.map(([key, value]) => [key, String(value)])).toString();
  return `#/${[name, id].filter((each) => each !== null && each !== undefined).map(encodeURIComponent).join("/")}${search ? `?${search}` : ""}`;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}
