/** What the suites assert with: each failure says what was being looked at. */

import { ProtocolError } from "../../../cloud/pages/protocol/errors.js";
import { fromHex, toHex } from "../../../cloud/pages/protocol/bytes.js";

export const unhex = fromHex;
export const hex = toHex;

export class Tally {
  constructor() {
    this.checks = 0;
    this.failures = [];
  }

  same(got, wanted, where) {
    this.checks += 1;
    const [a, b] = [plain(got), plain(wanted)];
    if (a !== b) this.failures.push(`${where}: got ${short(a)}, wanted ${short(b)}`);
  }

  truth(condition, where) {
    this.same(Boolean(condition), true, where);
  }

  /** `work` throws (or rejects with) an error of `ErrorType`, and it has a code. */
  async refused(work, ErrorType, where) {
    this.checks += 1;
    try {
      await work();
    } catch (error) {
      const typed = error instanceof ErrorType && error instanceof ProtocolError;
      if (!typed || typeof error.code !== "string") {
        this.failures.push(`${where}: threw ${error?.name}: ${error?.message}`);
      }
      return;
    }
    this.failures.push(`${where}: was taken`);
  }

  /** Runs `work`; what it throws is a failure with its place. */
  async part(where, work) {
    try {
      await work();
    } catch (error) {
      this.failures.push(`${where}: ${error?.stack ?? error}`);
    }
  }
}

function plain(value) {
  return JSON.stringify(value, (_, item) => {
    if (item instanceof Uint8Array) return `h'${toHex(item)}'`;
    if (item instanceof Map) return { map: [...item] };
    if (typeof item === "bigint") return `${item}`;
    return item;
  });
}

function short(text) {
  return String(text).slice(0, 300);
}
