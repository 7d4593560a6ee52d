// A real OpenID Connect provider (npm oidc-provider) in the shape of デジタル認証アプリ: its paths,
// ES256, pairwise subjects, PKCE required, private_key_jwt, acr. Its people are test data, its
// sign-in form is ours: no script, so that a browser or any HTTP client can fill it in.
//
//   node provider.mjs '{"port": 0, "clients": [...], "people": [...]}'
//
// Prints one line {"ready": true, "port": ..., "issuer": ...}; ends on SIGTERM or when stdin closes.
//
// Settings: port (0: any), clients (oidc-provider's metadata; missing members are filled in as the
// real one demands), people (as PEOPLE below), realm ("main"), ttl_s (life of a code, 60),
// compact (birth dates as YYYYMMDD, addresses as text: true).

import { generateKeyPairSync, createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import Provider, { errors } from 'oidc-provider';

const PEOPLE = [
  { id: 'hanako', name: '山田 花子', address: '北海道みさき市本町1-2-3', birthdate: '1951-04-02', acr: 'aal3' },
  { id: 'ichiro', name: '佐藤 一郎', address: '青森県となり市港町9-9', birthdate: '1980-12-31', acr: 'aal3' },
  { id: 'yui', name: '鈴木 結衣', address: '北海道みさき市港町5', birthdate: '2012-08-08', acr: 'aal3' },
  { id: 'jiro', name: '高橋 次郎', address: '北海道みさき市山手7', birthdate: '1990-01-01', acr: 'aal2' },
];

const settings = { port: 0, realm: 'main', clients: [], people: PEOPLE, ttl_s: 60, compact: true,
  ...JSON.parse(process.argv[2] ?? '{}') };
const people = new Map(settings.people.map((person) => [person.id, person]));

function signingKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const kid = randomBytes(6).toString('hex');
  return { ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'ES256' };
}

function client(told) {
  return {
    response_types: ['code'],
    grant_types: ['authorization_code'],
    token_endpoint_auth_method: 'private_key_jwt',
    ...(told.client_secret ? {} : { token_endpoint_auth_signing_alg: 'ES256' }),
    id_token_signed_response_alg: 'ES256',
    subject_type: 'pairwise',
    ...told,
  };
}

function claimsOf(person) {
  const [year, month, day] = person.birthdate.split('-');
  return {
    sub: person.id,
    name: person.name,
    gender: person.gender ?? '2',
    birthdate: settings.compact ? `${year}${month}${day}` : person.birthdate,
    address: settings.compact ? person.address : { formatted: person.address, country: 'JP' },
  };
}

function pairwise(_ctx, accountId, { clientId }) {
  return createHash('sha256').update(`${clientId}\0${accountId}`).digest('base64url');
}

const BASE = `/api/realms/${settings.realm}`;
const PROTOCOL = `${BASE}/protocol/openid-connect`;

function configuration() {
  return {
    clients: settings.clients.map(client),
    jwks: { keys: [signingKey()] },
    cookies: { keys: [randomBytes(16).toString('hex')], long: { path: '/' }, short: { path: '/' } },
    subjectTypes: ['pairwise'],
    pairwiseIdentifier: pairwise,
    pkce: { required: () => true },
    acrValues: ['aal2', 'aal3', 'crl'],
    clientAuthMethods: ['private_key_jwt', 'client_secret_basic', 'client_secret_post'],
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    claims: {
      openid: ['sub'], name: ['name'], address: ['address'], birthdate: ['birthdate'],
      gender: ['gender'],
    },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_ctx, interaction) => `${BASE}/interaction/${interaction.uid}` },
    routes: {
      authorization: `${PROTOCOL}/auth`, token: `${PROTOCOL}/token`,
      userinfo: `${PROTOCOL}/userinfo`, jwks: `${PROTOCOL}/certs`,
    },
    ttl: { AuthorizationCode: settings.ttl_s, AccessToken: 300, IdToken: 300, Interaction: 600,
      Session: 600, Grant: 600 },
    findAccount: (_ctx, id) => (people.has(id)
      ? { accountId: id, claims: () => claimsOf(people.get(id)) } : undefined),
    // Clients' keys lie on this machine here, which the library's own fetching refuses.
    fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
    renderError: (ctx, out) => { ctx.type = 'json'; ctx.body = out; },
  };
}

function escape(text) {
  const named = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return String(text).replace(/[&<>"']/g, (sign) => named[sign]);
}

function form(details) {
  const buttons = [...people.values()].map(({ id, name, acr }) => `
    <p><button name="person" value="${escape(id)}">${escape(name)} (${escape(acr)})</button></p>`);
  return `<!doctype html><html lang="ja"><meta charset="utf-8"><title>テスト認証</title>
    <meta name="viewport" content="width=device-width"><main><h1>テスト用の認証</h1>
    <p>お渡しする情報: ${escape(details.params.scope)}</p>
    <form method="post" action="${BASE}/interaction/${escape(details.uid)}">${buttons.join('')}
    <p><button name="person" value="">やめる</button></p></form></main></html>`;
}

async function body(request) {
  let text = '';
  for await (const part of request) {
    text += part;
    if (text.length > 10_000) throw new Error('too large');
  }
  return new URLSearchParams(text);
}

async function answer(provider, request, details) {
  const person = people.get((await body(request)).get('person'));
  if (person === undefined) {
    return { error: 'access_denied', error_description: 'the person said no' };
  }
  const grant = new provider.Grant({ accountId: person.id, clientId: details.params.client_id });
  grant.addOIDCScope(details.params.scope);
  return {
    login: { accountId: person.id, acr: person.acr, remember: false },
    consent: { grantId: await grant.save() },
  };
}

async function interact(provider, request, response) {
  const details = await provider.interactionDetails(request, response);
  if (request.method === 'POST') {
    const result = await answer(provider, request, details);
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
    return;
  }
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
  response.end(form(details));
}

const server = createServer();
server.listen(settings.port, '127.0.0.1', () => {
  const { port } = server.address();
  const issuer = `http://127.0.0.1:${port}${BASE}`;
  const provider = new Provider(issuer, configuration());
  provider.on('server_error', (_ctx, error) => console.error(error));
  provider.on('grant.error', (_ctx, error) => console.error(`${error.error}: ${error.error_detail ?? error.error_description}`));
  const answered = provider.callback();
  server.on('request', (request, response) => {
    if (!request.url.startsWith(`${BASE}/interaction/`)) {
      // The document's usual place is below the issuer; the library serves it at the root.
      if (request.url === `${BASE}/.well-known/openid-configuration`) {
        request.url = '/.well-known/openid-configuration';
      }
      answered(request, response);
      return;
    }
    interact(provider, request, response).catch((error) => {
      response.writeHead(error instanceof errors.OIDCProviderError ? error.status : 500);
      response.end(String(error.message));
    });
  });
  console.log(JSON.stringify({ ready: true, port, issuer }));
});

function stop() {
  server.close();
  server.closeAllConnections();
  process.exit(0);
}
process.on('SIGTERM', stop);
process.stdin.on('close', stop).resume();
