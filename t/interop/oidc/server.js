// SPDX-License-Identifier: Apache-2.0
// An OpenID provider of the package oidc-provider for t/interop/oidc.t: clients for every way to
// sign, encrypt and authenticate, a login form without a password, and a window on what it was
// asked. Prints one line when it is ready.
//
//   node server.js --files DIR --site URL --tls-site URL [--port N] [--tls]
//
// For --tls DIR has server.pem and server.key, and client-rsa.pem, the certificate of a client. Every
// start makes new signing keys.
//
//   GET  /_ctl/requests   [{path, query, body, authorization}] since the last time
//   POST /_ctl/switches   {"token": {...}, "userinfo": {...}, "replay": CLIENT}: members that replace
//                         what the endpoint says; the last id_token of CLIENT instead of the right one
import { readFileSync } from 'node:fs';
import { generateKeyPairSync } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { parseArgs } from 'node:util';
import Provider from 'oidc-provider';

console.info = console.warn = console.error; // stdout is for the line below

const { values: given } = parseArgs({
  options: {
    files: { type: 'string' },
    site: { type: 'string' },
    'tls-site': { type: 'string' },
    port: { type: 'string', default: '0' },
    tls: { type: 'boolean', default: false },
  },
});

const file = (name) => readFileSync(`${given.files}/${name}`);
const makeKey = (use, type, options) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), use,
});

// ---- clients: what is not said here is RS256, client_secret_post, and a secret made of the name

// the site publishes its keys, those it signs with and those to encrypt for
const site_keys = { jwks_uri: `${given.site.replace('localhost', '127.0.0.1')}/edxsso/jwks.json` };
const encrypted = (alg, enc) => ({
  id_token_encrypted_response_alg: alg, id_token_encrypted_response_enc: enc, ...site_keys,
});

const CLIENTS = {
  rs256: {},
  ps256: { id_token_signed_response_alg: 'PS256' },
  es256: { id_token_signed_response_alg: 'ES256' },
  hs256: { id_token_signed_response_alg: 'HS256' },
  eddsa: { id_token_signed_response_alg: 'EdDSA' },
  rsaoaep: encrypted('RSA-OAEP', 'A256GCM'),
  rsaoaep256: encrypted('RSA-OAEP-256', 'A128CBC-HS256'),
  ecdhes: encrypted('ECDH-ES', 'A256CBC-HS512'),
  ecdheskw: encrypted('ECDH-ES+A128KW', 'A128GCM'),
  sealedinfo: {
    userinfo_signed_response_alg: 'RS256', userinfo_encrypted_response_alg: 'ECDH-ES',
    userinfo_encrypted_response_enc: 'A256GCM', ...site_keys,
  },
  basic: { token_endpoint_auth_method: 'client_secret_basic' },
  secretjwt: { token_endpoint_auth_method: 'client_secret_jwt' },
  keyjwt: { token_endpoint_auth_method: 'private_key_jwt', ...site_keys },
  keyjwtec: { token_endpoint_auth_method: 'private_key_jwt', ...site_keys },
  public: { token_endpoint_auth_method: 'none' },
  signedinfo: { userinfo_signed_response_alg: 'ES256' },
  pushed: { require_pushed_authorization_requests: true },
  pushedkey: {
    require_pushed_authorization_requests: true, token_endpoint_auth_method: 'private_key_jwt', ...site_keys,
  },
  posted: {},
  machine: { grant_types: ['client_credentials'], response_types: [], redirect_uris: [] },
  certificate: { token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: 'CN=client-rsa' },
};

// what the sections of the test use these clients for besides
const ALSO = {
  rs256: ['wrongalg', 'wrongword', 'wrongissuer', 'slash', 'nopkce', 'nouserinfo', 'api', 'tokens'],
  rsaoaep: ['nokey'],
  pushed: ['notpushed'],
  posted: ['query'],
  certificate: ['nocertificate'],
};

function asClient([id, more]) {
  const site = id === 'posted' ? given['tls-site'] : given.site;
  return {
    client_id: id,
    client_secret: more.token_endpoint_auth_method !== 'none'
      ? `${id}: a secret of decent length: 100% + & ~` : undefined,
    token_endpoint_auth_method: 'client_secret_post',
    redirect_uris: [id, ...(ALSO[id] ?? [])].map((name) => `${site}/edxsso/callback/${name}`),
    post_logout_redirect_uris: [`${site}/`],
    ...more,
  };
}

// ---- the provider

const USERS = {
  zoe: { name: 'Zoë Müller', preferred_username: 'zoe', email: 'zoe@example.org', email_verified: true },
  'o.odd+tag/x': { name: '日本 😀', preferred_username: 'odd', email: 'odd@example.org', email_verified: false },
};

const SIGN = ['RS256', 'PS256', 'ES256', 'HS256', 'EdDSA'];
const ALG = ['RSA-OAEP', 'RSA-OAEP-256', 'ECDH-ES', 'ECDH-ES+A128KW'];
const ENC = ['A128CBC-HS256', 'A256CBC-HS512', 'A128GCM', 'A256GCM'];

const configuration = {
  clients: Object.entries(CLIENTS)
    .filter(([, is]) => given.tls || is.token_endpoint_auth_method !== 'tls_client_auth').map(asClient),
  jwks: {
    keys: [
      makeKey('sig', 'ed25519'),
      makeKey('enc', 'rsa', { modulusLength: 2048 }),
      makeKey('sig', 'rsa', { modulusLength: 2048 }),
      makeKey('sig', 'ec', { namedCurve: 'P-256' }),
    ],
  },
  cookies: { keys: ['a key that signs cookies'] },
  claims: {
    openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email', 'email_verified'],
  },
  clientAuthMethods: ['client_secret_post', 'client_secret_basic', 'client_secret_jwt', 'private_key_jwt', 'none',
    ...(given.tls ? ['tls_client_auth'] : [])],
  enabledJWA: {
    idTokenSigningAlgValues: SIGN,
    userinfoSigningAlgValues: SIGN,
    idTokenEncryptionAlgValues: ALG,
    idTokenEncryptionEncValues: ENC,
    userinfoEncryptionAlgValues: ALG,
    userinfoEncryptionEncValues: ENC,
  },
  features: {
    devInteractions: { enabled: false },
    encryption: { enabled: true },
    jwtUserinfo: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    // access tokens for an API are JWTs of RFC 9068
    resourceIndicators: {
      enabled: true,
      defaultResource: () => [],
      getResourceServerInfo: (ctx, resource) => ({
        scope: 'api:read api:write', audience: resource, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
      }),
    },
    mTLS: {
      enabled: given.tls,
      tlsClientAuth: given.tls,
      getCertificate: (ctx) => ctx.socket.getPeerX509Certificate(),
      certificateAuthorized: (ctx) => ctx.socket.authorized,
      certificateSubjectMatches: (ctx, property, expected) =>
        property === 'tls_client_auth_subject_dn' && ctx.socket.getPeerX509Certificate().subject === expected,
    },
  },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  pkce: { methods: ['S256'], required: () => true },
  ttl: { Session: 3600, Interaction: 600, Grant: 3600, AccessToken: 600, AuthorizationCode: 60, IdToken: 600 },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...USERS[id] }) }),
  // everybody agrees to everything
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope(ctx.oidc.params.scope);
    await grant.save();
    return grant;
  },
};

// ---- what the test sees and changes

let requests = [];
let switches = {};
const issued = {}; // client: its last id_token

async function watch(ctx, next) {
  await next();
  requests.push({
    path: ctx.path,
    query: { ...ctx.query },
    body: { ...ctx.oidc?.body },
    authorization: ctx.get('authorization').split(' ')[0],
  });
  if (ctx.path === '/token' && ctx.body?.id_token) {
    const earlier = issued[switches.replay];
    issued[ctx.oidc.client.clientId] = ctx.body.id_token;
    Object.assign(ctx.body, switches.token, switches.replay && { id_token: earlier });
  }
  if (ctx.path === '/me' && typeof ctx.body === 'object') Object.assign(ctx.body, switches.userinfo);
}

async function readAll(stream) {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}

async function control(req, res) {
  let answer = {};
  if (req.url === '/_ctl/switches') switches = JSON.parse(await readAll(req));
  else [answer, requests] = [requests, []];
  res.setHeader('Content-Type', 'application/json').end(JSON.stringify(answer));
}

// The form sends `login`, or `cancel`.
async function interact(provider, req, res) {
  const { prompt, params } = await provider.interactionDetails(req, res);
  const query = new URL(req.url, 'http://localhost').searchParams;
  if (query.has('cancel')) {
    const refusal = { error: 'access_denied', error_description: 'The user said no.' };
    await provider.interactionFinished(req, res, refusal, { mergeWithLastSubmission: false });
  } else if (query.has('login')) {
    await provider.interactionFinished(req, res, { login: { accountId: query.get('login') } });
  } else {
    const hint = JSON.stringify({ prompt: prompt.name, login_hint: params.login_hint }).replace(/[<&]/g, ' ');
    res.setHeader('Content-Type', 'text/html; charset=utf-8').end(
      `<form id="login"><input name="login"><input name="cancel" type="submit"></form><pre>${hint}</pre>`,
    );
  }
}

let answer;
const serve = (req, res) => {
  const handler = req.url.startsWith('/_ctl/') ? control
    : req.url.startsWith('/interaction/') ? interact.bind(null, provider) : answer;
  Promise.resolve(handler(req, res)).catch((error) => {
    console.error(error);
    res.statusCode = 500;
    res.end(String(error));
  });
};

const server = given.tls
  ? https.createServer({
    key: file('server.key'), cert: file('server.pem'), ca: [file('client-rsa.pem')], requestCert: true,
    rejectUnauthorized: false,
  }, serve)
  : http.createServer(serve);
let provider;

server.listen(Number(given.port), '127.0.0.1', () => {
  const issuer = `${given.tls ? 'https' : 'http'}://127.0.0.1:${server.address().port}`;
  provider = new Provider(issuer, configuration);
  provider.use(watch);
  for (const event of ['authorization.error', 'grant.error', 'pushed_authorization_request.error']) {
    provider.on(event, (ctx, error) => console.error(event, error.message, error.error_detail ?? ''));
  }
  answer = provider.callback();
  console.log(`oidc ready ${issuer}`);
});
