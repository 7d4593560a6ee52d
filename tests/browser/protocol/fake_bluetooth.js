/**
 * A browser's Bluetooth as far as BluetoothLink can see it, over the fragments of bridge.py.
 *
 *   new FakeBluetooth(door, {mtu, ...faults})   `door.post(path, body)` reaches the bridge
 *
 * Faults: isAvailable false, chooser "cancel" | "blocked", connectFails: how often, connectHangs,
 * hasService false, dropAfter: writes until the link breaks, rewrite(fragment) of what is notified,
 * remembers: whether getDevices() knows the device, unheard: whether it must be heard before.
 * It is strict where Chromium is: one GATT operation at a time, nothing without a connection, no
 * value longer than the MTU allows (that would be a long write).
 */

import { fromBase64url, toBase64url } from "../../../cloud/pages/protocol/bytes.js";
import { RX_UUID, SERVICE_UUID, TX_UUID } from "../../../cloud/pages/protocol/gatt.js";

export class FakeBluetooth {
  constructor(door, how = {}) {
    this.door = door;
    this.how = { mtu: 247, isAvailable: true, hasService: true, connectFails: 0, ...how };
    this.asked = 0;
    this.filters = null;
    this.device = new FakeDevice(this, how.name ?? `kannuki-${door.lockId}`);
    if (how.remembers) this.getDevices = async () => [this.device];
  }

  async getAvailability() {
    return this.how.isAvailable;
  }

  async requestDevice({ filters }) {
    this.asked += 1;
    this.filters = filters;
    if (!this.how.isAvailable) throw new DOMException("no adapter", "NotFoundError");
    if (this.how.chooser === "cancel") throw new DOMException("cancelled", "NotFoundError");
    if (this.how.chooser === "blocked") throw new DOMException("no gesture", "SecurityError");
    const fits = filters.some((f) => f.name === this.device.name && f.services[0] === SERVICE_UUID);
    if (!fits) throw new DOMException("nothing chosen", "NotFoundError");
    return this.device;
  }
}

class FakeDevice extends EventTarget {
  constructor(bluetooth, name) {
    super();
    this.name = name;
    this.bluetooth = bluetooth;
    this.watched = 0;
    if (bluetooth.how.unheard) this.watchAdvertisements = this.watch;
    this.gatt = new FakeServer(bluetooth, this);
  }
}

FakeDevice.prototype.watch = async function watch({ signal }) {
  this.watched += 1;
  await new Promise((resolve) => setTimeout(resolve, 20));
  if (signal.aborted || this.bluetooth.how.unheard === "ever") return;
  this.bluetooth.how.unheard = false;
  this.dispatchEvent(new Event("advertisementreceived"));
};

class FakeServer {
  constructor(bluetooth, device) {
    Object.assign(this, { bluetooth, device, connected: false, connects: 0, busy: false });
  }

  async connect() {
    const { how, door } = this.bluetooth;
    this.connects += 1;
    if (how.connectHangs) await new Promise(() => {});
    if (how.unheard) throw new DOMException("no longer in range", "NetworkError");
    if (how.connectFails >= this.connects) throw new DOMException("GATT 133", "NetworkError");
    this.handle = (await door.post("/radio", { mtu: how.mtu })).handle;
    this.writes = 0;
    this.connected = true;
    return this;
  }

  disconnect() {
    if (!this.connected) return;
    this.connected = false;
    this.bluetooth.door.hangUp(this.handle);
    this.device.dispatchEvent(new Event("gattserverdisconnected"));
  }

  async getPrimaryService(uuid) {
    this.need();
    if (!this.bluetooth.how.hasService || uuid !== SERVICE_UUID) {
      throw new DOMException("no such service", "NotFoundError");
    }
    return this;
  }

  async getCharacteristic(uuid) {
    this.need();
    if (uuid === TX_UUID) return (this.tx = new FakeTx());
    if (uuid === RX_UUID) return new FakeRx(this);
    throw new DOMException("no such characteristic", "NotFoundError");
  }

  need() {
    if (!this.connected) throw new DOMException("GATT Server is disconnected", "NetworkError");
  }

  async write(piece) {
    this.need();
    const { how, door } = this.bluetooth;
    if (this.busy) throw new DOMException("already in progress", "NetworkError");
    if (piece.length > how.mtu - 3) throw new DOMException("a long write", "InvalidStateError");
    this.busy = true;
    try {
      this.writes += 1;
      if (this.writes > (how.dropAfter ?? Infinity)) this.disconnect();
      this.need();
      const told = await door.post(`/radio/${this.handle}`, { fragment: toBase64url(piece) });
      const rewrite = how.rewrite ?? ((fragment) => fragment);
      if (!how.mute) told.fragments.forEach((f) => this.tx.notify(rewrite(fromBase64url(f))));
      if (told.hung_up) this.disconnect();
    } finally {
      this.busy = false;
    }
  }
}

class FakeTx extends EventTarget {
  isOn = false;

  async startNotifications() {
    this.isOn = true;
    return this;
  }

  notify(fragment) {
    if (!this.isOn) return;
    // Inside a larger buffer, as a browser may give it.
    const roomy = new Uint8Array(fragment.length + 4);
    roomy.set(fragment, 2);
    this.value = new DataView(roomy.buffer, 2, fragment.length);
    this.dispatchEvent(new Event("characteristicvaluechanged"));
  }
}

class FakeRx {
  properties = { write: true, writeWithoutResponse: true };

  constructor(server) {
    this.server = server;
  }

  writeValueWithResponse(piece) {
    return this.server.write(piece);
  }
}
