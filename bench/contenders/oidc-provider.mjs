// oidc-provider on Node, set up as in its documentation. It gets its configuration by message, and then the accounts and
// the tokens to issue. It stores everything in memory, with its own adapter, because the package's one keeps only the
// latest entries.
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Provider } from "oidc-provider";

const [{ issuer, keys, client, scope, redirectUri, codeChallenge }] = await once(process, "message");
const claimsById = new Map();

/** The calls of adapters since they were last read, and the milliseconds that each takes. */
let calls = 0;
let delay = 0;
const call = async () => {
  calls += 1;
  if (delay > 0) await sleep(delay);
};

/** The entries of one model by identifier, without the methods for devices. */
class Adapter {
  entries = new Map();

  async upsert(id, payload) {
    await call();
    this.entries.set(id, payload);
  }

  async find(id) {
    await call();
    return this.entries.get(id);
  }

  async findByUid(uid) {
    await call();
    return [...this.entries.values()].find((payload) => payload.uid === uid);
  }

  async consume(id) {
    await call();
    this.entries.get(id).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    await call();
    this.entries.delete(id);
  }

  async revokeByGrantId(grantId) {
    await call();
    for (const [id, payload] of this.entries) if (payload.grantId === grantId) this.entries.delete(id);
  }
}

const provider = new Provider(issuer, {
  adapter: Adapter,
  jwks: { keys },
  clients: [client],
  findAccount: (context, accountId) => ({ accountId, claims: () => claimsById.get(accountId) }),
  claims: {
    openid: ["sub"],
    profile: ["name", "given_name", "family_name", "picture", "locale"],
    email: ["email", "email_verified"],
  },
  // Its pages for development take any password.
  features: { devInteractions: { enabled: true } },
  routes: { jwks: "/auth/jwks.json", token: "/auth/token", userinfo: "/auth/userinfo" },
  // By default it rotates a confidential client's refresh token only near its expiry. The other contenders always do.
  rotateRefreshToken: true,
  // A code is valid for the whole run.
  ttl: { AccessToken: 3_600, AuthorizationCode: 3_600, Grant: 86_400, IdToken: 3_600, RefreshToken: 86_400 },
});
provider.proxy = true;

/**
 * Stores accounts with one grant each, and issues tokens by model and count, for the accounts in turn. Each model
 * ignores fields that it does not have.
 */
async function fill({ accounts, tokens }) {
  const owner = await provider.Client.find(client.client_id);
  for (const { accountId, grantId, claims } of accounts) {
    claimsById.set(accountId, claims);
    const grant = new provider.Grant({ jti: grantId, accountId, client: owner });
    grant.addOIDCScope(scope);
    await grant.save();
  }
  const issue = ({ accountId, grantId }, model) => new provider[model]({
    accountId, grantId, client: owner, scope, gty: "authorization_code", nonce: "nonce",
    authTime: Math.floor(Date.now() / 1000) - 60, redirectUri, codeChallenge, codeChallengeMethod: "S256",
  }).save();
  const issued = {};
  for (const [name, [model, count]] of Object.entries(tokens)) {
    issued[name] = await Promise.all(
      Array.from({ length: count }, (_, number) => issue(accounts[number % accounts.length], model)));
  }
  return issued;
}

/** Handles a message: accounts and tokens, a delay, or the number of calls. */
async function respond(message) {
  if (message.accounts) return fill(message);
  if (message.delay !== undefined) delay = message.delay;
  const taken = { calls };
  calls = 0;
  return taken;
}

process.on("message", (/** @type {any} */ message) => void respond(message).then((response) => process.send(response)));
process.on("disconnect", () => process.exit());

const server = provider.listen(0, "127.0.0.1", () => process.send(server.address().port));
// The load keeps its connections open during the turns of other contenders.
server.keepAliveTimeout = 0;
