/**
 * Speaks to a lock over Web Bluetooth: whole messages over notifications and writes.
 *
 *   await support(bluetooth?) -> "ready" | "off" | "absent"
 *   new BluetoothLink(lockIds, {bluetooth, connectWithinMs, answerWithinMs, onDisconnected})
 *   await open()                 call it in the handler of a press: the browser may ask which lock
 *   await send(message)          await receive(timeoutMs)          close()
 *   maxFragment                  set it from the challenge (opening.js does); 20 until then
 *   forget(lockId)               the next `open` asks again
 *
 * `lockIds`: one id, or several for a group's key. A lock that was chosen before is used again
 * without asking: within this page always, later where the browser has getDevices().
 * Throws TransportError, never a DOMException:
 *   BLUETOOTH_ABSENT    this browser has no Web Bluetooth     (use the relay)
 *   BLUETOOTH_OFF       the radio is off or missing
 *   BLUETOOTH_BLOCKED   the browser or its owner does not allow it
 *   NOT_CHOSEN          the chooser was closed, or held no lock
 *   UNREACHABLE         no link, or it broke                  NO_LOCK    what answered is no lock
 *   TIMEOUT             no answer                             NOT_GENUINE  fragments misfit
 *
 * The name is how a lock is found, never how it is trusted: the challenge and its MAC decide that.
 * One link serves one attempt. Long writes are not used: fragments are as short as the lock said
 * they must be.
 */

import { TransportError } from "./errors.js";
import { fragment, FrameError, MIN_FRAGMENT_BYTES, Reassembler } from "./frames.js";
import { advertisedName, lockIdIn, RX_UUID, SERVICE_UUID, TX_UUID } from "./gatt.js";
import { Inbox } from "./inbox.js";

const CONNECT_WITHIN_MS = 10_000;
const ANSWER_WITHIN_MS = 8_000;
const TRIES = 2; // Android loses one connection in some dozens at once, for no fault of the lock

// Devices chosen in this page: {lock id: BluetoothDevice}; and locks to ask for anew.
const chosen = new Map();
const askAgain = new Set();

export async function support(bluetooth = globalThis.navigator?.bluetooth) {
  if (!bluetooth?.requestDevice) return "absent";
  if (!bluetooth.getAvailability) return "ready";
  try {
    return (await bluetooth.getAvailability()) ? "ready" : "off";
  } catch {
    return "absent"; // a policy forbids it here
  }
}

export function forget(lockId) {
  chosen.delete(lockId);
  askAgain.add(lockId);
}

export class BluetoothLink {
  relayed = false;
  maxFragment = MIN_FRAGMENT_BYTES;
  #lockIds;
  #bluetooth;
  #connectWithinMs;
  #onDisconnected;
  #inbox = new Inbox();
  #reassembler = new Reassembler();
  #device = null;
  #rx = null;
  #tx = null;
  #isClosed = false;
  #watch = null;

  constructor(lockIds, how = {}) {
    this.#lockIds = [lockIds].flat();
    this.#bluetooth = how.bluetooth ?? globalThis.navigator?.bluetooth;
    this.#connectWithinMs = how.connectWithinMs ?? CONNECT_WITHIN_MS;
    this.answerWithinMs = how.answerWithinMs ?? ANSWER_WITHIN_MS;
    this.#onDisconnected = how.onDisconnected ?? (() => {});
  }

  async open() {
    if (!this.#bluetooth?.requestDevice) throw new TransportError("BLUETOOTH_ABSENT");
    this.#device = (await this.#known()) ?? (await this.#ask());
    this.#device.addEventListener("gattserverdisconnected", this.#gone);
    try {
      await this.#within(this.#connectWithinMs, this.#connect());
    } catch (error) {
      this.#lockIds.forEach(forget); // the device may be another one by now
      this.close();
      throw error;
    }
    const lockId = lockIdIn(this.#device.name);
    if (lockId !== null) chosen.set(lockId, this.#device);
    askAgain.delete(lockId);
  }

  async send(message) {
    for (const piece of fragment(message, this.maxFragment)) await this.#write(piece);
  }

  receive(timeoutMs = this.answerWithinMs) {
    return this.#inbox.take(timeoutMs);
  }

  close() {
    this.#isClosed = true;
    this.#watch?.abort();
    this.#inbox.fail(new TransportError("UNREACHABLE", "the link is closed"));
    this.#tx?.removeEventListener("characteristicvaluechanged", this.#notified);
    this.#device?.removeEventListener("gattserverdisconnected", this.#gone);
    this.#device?.gatt.disconnect(); // a connection under way, too
  }

  // --- finding ---

  async #known() {
    const here = this.#lockIds.map((id) => chosen.get(id)).find(Boolean);
    if (here || !this.#bluetooth.getDevices) return here;
    const names = this.#lockIds.filter((id) => !askAgain.has(id)).map(advertisedName);
    try {
      return (await this.#bluetooth.getDevices()).find((device) => names.includes(device.name));
    } catch {
      return undefined; // not allowed to remember: ask
    }
  }

  async #ask() {
    const filters = this.#lockIds.map((id) => ({
      services: [SERVICE_UUID],
      name: advertisedName(id),
    }));
    try {
      return await this.#bluetooth.requestDevice({ filters });
    } catch (error) {
      throw new TransportError(await this.#whyNone(error), error?.message ?? "");
    }
  }

  async #whyNone(error) {
    if (error?.name !== "NotFoundError") return "BLUETOOTH_BLOCKED";
    return (await support(this.#bluetooth)) === "ready" ? "NOT_CHOSEN" : "BLUETOOTH_OFF";
  }

  // --- connecting ---

  async #connect() {
    for (let left = TRIES; ; left -= 1) {
      try {
        return await this.#subscribe();
      } catch (error) {
        if (error?.name === "NotFoundError") throw new TransportError("NO_LOCK", error.message);
        if (left <= 1 || this.#isClosed) throw unreachable(error);
        this.#device.gatt.disconnect();
        await this.#seen();
      }
    }
  }

  /** A device that getDevices() remembers can be connected only once it was heard again. */
  async #seen() {
    if (!this.#device.watchAdvertisements) return;
    this.#watch = new AbortController();
    const { signal } = this.#watch;
    await new Promise((resolve) => {
      this.#device.addEventListener("advertisementreceived", resolve, { once: true });
      this.#device.watchAdvertisements({ signal }).catch(resolve);
    });
    this.#watch.abort();
  }

  async #subscribe() {
    const server = await this.#device.gatt.connect();
    if (this.#isClosed) {
      server.disconnect();
      throw unreachable();
    }
    const service = await server.getPrimaryService(SERVICE_UUID);
    this.#rx = await service.getCharacteristic(RX_UUID);
    this.#tx = await service.getCharacteristic(TX_UUID);
    this.#tx.removeEventListener("characteristicvaluechanged", this.#notified);
    this.#tx.addEventListener("characteristicvaluechanged", this.#notified);
    await this.#tx.startNotifications();
    this.#inbox.clear(); // of an attempt that failed
    this.#reassembler.reset();
  }

  // --- moving bytes ---

  async #write(piece) {
    if (this.#rx === null || !this.#device.gatt.connected) throw unreachable();
    try {
      await this.#within(this.answerWithinMs, writeTo(this.#rx, piece));
    } catch (error) {
      throw unreachable(error);
    }
  }

  #notified = (event) => {
    const { buffer, byteOffset, byteLength } = event.target.value;
    try {
      const piece = new Uint8Array(buffer, byteOffset, byteLength).slice();
      const message = this.#reassembler.push(piece);
      if (message !== null) this.#inbox.push(message);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#inbox.fail(new TransportError("NOT_GENUINE", error.message));
    }
  };

  #gone = () => {
    this.#inbox.fail(unreachable());
    this.#onDisconnected();
  };

  async #within(ms, work) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(unreachable()), ms);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
      work.catch(() => {}); // what comes after its time is not waited for
    }
  }
}

function writeTo(characteristic, piece) {
  const { properties } = characteristic;
  if (properties.write && characteristic.writeValueWithResponse) {
    return characteristic.writeValueWithResponse(piece);
  }
  if (properties.writeWithoutResponse && characteristic.writeValueWithoutResponse) {
    return characteristic.writeValueWithoutResponse(piece);
  }
  return characteristic.writeValue(piece); // before Chromium 85
}

function unreachable(error) {
  return error instanceof TransportError
    ? error
    : new TransportError("UNREACHABLE", error?.message ?? "the link broke");
}
