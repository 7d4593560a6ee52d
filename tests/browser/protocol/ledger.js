/**
 * Vectors that notice what nobody has read.
 *
 * `ledger(name, json)` gives the same data behind a proxy that marks each primitive that is read;
 * `unread()` lists the others as paths. So a row, or a member of a row, that a later hand adds to a
 * vector file fails the suite until somebody decides what it means for a holder.
 */

export function ledger(name, json) {
  const read = new Set();
  const unread = () => leaves(json, name).filter((path) => !read.has(path));
  return { rows: watch(json, name, read), unread, read };
}

function watch(value, path, read) {
  if (value === null || typeof value !== "object") return value;
  return new Proxy(value, {
    get(target, key) {
      const found = Reflect.get(target, key);
      if (typeof key === "symbol" || !Object.hasOwn(target, key)) return found;
      if (found === null || typeof found !== "object") read.add(`${path}/${key}`);
      return watch(found, `${path}/${key}`, read);
    },
  });
}

function leaves(value, path) {
  if (value === null || typeof value !== "object") return [path];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, `${path}/${key}`));
}
