// oidc-provider as its documentation has it, on Node. The bench tells it by message what it is configured with, and
// then whom it knows and what it has issued. All that is in memory; the package's own adapter for that keeps only the
// latest.
import { once } from "node:events";
import { Provider } from "oidc-provider";

const [{ issuer, keys, client, scope, redirectUri, codeChallenge }] = await once(process, "message");
const accounts = new Map();

/** One kind of what is kept, by its identifier. What only sessions and devices need is not there. */
class Adapter {
  kept = new Map();

  async upsert(id, payload) {
    this.kept.set(id, payload);
  }

  async find(id) {
    return this.kept.get(id);
  }

  async consume(id) {
    this.kept.get(id).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    this.kept.delete(id);
  }

  async revokeByGrantId(grantId) {
    for (const [id, payload] of this.kept) if (payload.grantId === grantId) this.kept.delete(id);
  }
}

const provider = new Provider(issuer, {
  adapter: Adapter,
  jwks: { keys },
  clients: [client],
  findAccount: (context, accountId) => ({ accountId, claims: () => accounts.get(accountId) }),
  claims: {
    openid: ["sub"],
    profile: ["name", "given_name", "family_name", "picture", "locale"],
    email: ["email", "email_verified"],
  },
  features: { devInteractions: { enabled: false } },
  routes: { jwks: "/auth/jwks.json", token: "/auth/token", userinfo: "/auth/userinfo" },
  // By itself it leaves a confidential client its refresh token for most of its life; all others replace theirs.
  rotateRefreshToken: true,
  // A code outlasts the run.
  ttl: { AccessToken: 3_600, AuthorizationCode: 3_600, Grant: 86_400, IdToken: 3_600, RefreshToken: 86_400 },
});
provider.proxy = true;

/**
 * Keeps people with a grant each, and issues what is asked for by kind and count, to each of them in turn. Its own
 * models make and save it; each takes the fields that it has.
 */
async function plant({ people, asked }) {
  const owner = await provider.Client.find(client.client_id);
  for (const { accountId, grantId, claims } of people) {
    accounts.set(accountId, claims);
    const grant = new provider.Grant({ jti: grantId, accountId, client: owner });
    grant.addOIDCScope(scope);
    await grant.save();
  }
  const issue = ({ accountId, grantId }, kind) => new provider[kind]({
    accountId, grantId, client: owner, scope, gty: "authorization_code", nonce: "nonce",
    authTime: Math.floor(Date.now() / 1000) - 60, redirectUri, codeChallenge, codeChallengeMethod: "S256",
  }).save();
  const issued = {};
  for (const [name, [kind, count]] of Object.entries(asked)) {
    issued[name] = await Promise.all(
      Array.from({ length: count }, (_, number) => issue(people[number % people.length], kind)));
  }
  return issued;
}

process.on("message", async (contents) => process.send(await plant(contents)));
process.on("disconnect", () => process.exit());

const server = provider.listen(0, "127.0.0.1", () => process.send(server.address().port));
// The load keeps its connections while others have their turn.
server.keepAliveTimeout = 0;
