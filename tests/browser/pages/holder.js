// The least that a page can be which claims a key and opens with it: the protocol's modules and
// three buttons. What the product's own key page adds is tested there.

import { toBase64url } from '/protocol/bytes.js';
import { BluetoothLink } from '/protocol/bluetooth.js';
import { FetchTown } from '/protocol/carrying.js';
import { credentialOf, devicePublicKey, makeDeviceKey } from '/protocol/keywrap.js';
import { attempt } from '/protocol/opening.js';
import { RelayLink } from '/protocol/relay.js';
import { COMMAND_UNLOCK, COMMAND_UNLOCK_REMOTE } from '/protocol/session.js';

const held = {};

async function claim() {
  const pair = await makeDeviceKey();
  const body = {
    secret: location.hash.slice(1),
    device_key: toBase64url(await devicePublicKey(pair)),
  };
  const answer = await fetch('/v1/keys/claim', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const told = await answer.json();
  if (!answer.ok) return told.code;
  held.ticket = told.relay_ticket;
  held.credential = await credentialOf(told.credentials[0], pair.privateKey);
  return 'CLAIMED';
}

const way = () => ({ lockId: held.credential.lockId, ticket: held.ticket });

async function bluetooth() {
  const town = document.body.dataset.alone ? null : new FetchTown(way());
  const link = new BluetoothLink(document.body.dataset.door ?? held.credential.lockId);
  return attempt(link, held.credential, COMMAND_UNLOCK, { town });
}

const relay = () => attempt(new RelayLink(way()), held.credential, COMMAND_UNLOCK_REMOTE);

function answerWith(work) {
  return async () => {
    const place = document.querySelector('#answer');
    place.textContent = '';
    const result = await work();
    place.textContent = typeof result === 'string' ? result : result.code;
    held.carried = await result.after;
  };
}

for (const [id, work] of Object.entries({ claim, bluetooth, relay })) {
  document.getElementById(id).addEventListener('click', answerWith(work));
}
globalThis.carried = () => held.carried ?? null;
