// Moves frames between a lock and the test that drives this page; knows nothing of their meaning.
// What the product's pages do with Web Bluetooth is tested on those pages.

const SERVICE = '26f8f8a6-98dd-43d0-9a8e-5bd9e8c41a70';
const RX = '26f8f8a7-98dd-43d0-9a8e-5bd9e8c41a70';
const TX = '26f8f8a8-98dd-43d0-9a8e-5bd9e8c41a70';

const state = document.querySelector('#state');
const inbox = [];
let wake = () => {};
let rx = null;
let device = null;

const tell = (word) => {
  state.textContent = word;
  document.body.dataset.state = word;
};

const hear = (event) => {
  inbox.push([...new Uint8Array(event.target.value.buffer)]);
  wake();
};

async function connect() {
  device = await navigator.bluetooth.requestDevice({ filters: [{ services: [SERVICE] }] });
  device.addEventListener('gattserverdisconnected', () => tell('gone'));
  const server = await device.gatt.connect();
  const service = await server.getPrimaryService(SERVICE);
  rx = await service.getCharacteristic(RX);
  const tx = await service.getCharacteristic(TX);
  tx.addEventListener('characteristicvaluechanged', hear);
  await tx.startNotifications();
  tell('connected');
}

globalThis.link = {
  write: (bytes) => rx.writeValueWithResponse(new Uint8Array(bytes)),
  receive: async () => {
    while (inbox.length === 0) await new Promise((resolve) => { wake = resolve; });
    return inbox.shift();
  },
  disconnect: () => device.gatt.disconnect(),
};

document.querySelector('#connect').addEventListener('click', () => {
  tell('asking');
  connect().catch((error) => tell(error.name));
});
