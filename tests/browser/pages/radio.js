// A radio for tests of the key page: navigator.bluetooth over the test's own bindings. One device
// is in the air at a time; its fragments come from the real core of a lock. The chooser takes the
// device that the page asked for, if it is in reach, as a person would.
"use strict";

{
  const b64 = (raw) => btoa(String.fromCharCode(...raw));
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  class Characteristic extends EventTarget {
    properties = { write: true };
    constructor(server, uuid) {
      super();
      Object.assign(this, { server, uuid });
    }
    async startNotifications() {
      this.server.tx = this;
    }
    async writeValueWithResponse(piece) {
      const raw = new Uint8Array(piece.buffer ?? piece, piece.byteOffset ?? 0, piece.byteLength);
      for (const answer of await radioWrite(this.server.handle, b64(raw))) {
        this.server.tx.value = new DataView(bytes(answer).buffer);
        this.server.tx.dispatchEvent(new Event("characteristicvaluechanged"));
      }
    }
  }

  class Server {
    connected = false;
    async connect() {
      this.handle = await radioConnect();
      this.connected = true;
      return this;
    }
    async getPrimaryService() {
      return { getCharacteristic: async (uuid) => new Characteristic(this, uuid) };
    }
    disconnect() {
      this.connected = false;
      radioLeave(this.handle);
    }
  }

  class Device extends EventTarget {
    gatt = new Server();
    constructor(name) {
      super();
      this.name = name;
    }
  }

  const bluetooth = Object.assign(new EventTarget(), {
    asked: [],
    getAvailability: async () => true,
    getDevices: async () => [],
    async requestDevice({ filters }) {
      bluetooth.asked.push(filters[0].name);
      if (!(await radioFind(filters[0].name))) throw new DOMException("nothing chosen", "NotFoundError");
      return new Device(filters[0].name);
    },
  });
  Object.defineProperty(navigator, "bluetooth", { configurable: true, get: () => bluetooth });
}
