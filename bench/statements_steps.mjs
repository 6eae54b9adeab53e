// The steps whose statements `--growth` measures, beside those of docs/d1-requests.md: the operator's, and rarer ones of
// users and clients.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../scripts/steps.mjs";
import {
  CALLBACK, PASSWORD, Browser, authorizePath, formOf, formsTo, isLogin, putClient, redeem, redirectTarget, refresh, requestToken,
  responseParameters, signedRequest, successJson,
} from "../tests/edge/browser.mjs";
import { CLIENT, OFFLINE, RESOURCE, putDeviceClient } from "../tests/edge/steps.mjs";

const SWEEP = "Sweep after the database has failed";
export const MAINTENANCE = "Maintenance";
const DELIVERY = "Maintenance that delivers logout tokens";
/** The steps that measure a sweep. */
export const SWEEPING = new Set([SWEEP, MAINTENANCE]);

/** Steps that read more in a larger database, with the reason. */
export const GROWING = new Map([
  ["Operator: delete a client with a tenth of the users",
    "It deletes 1,000 grants, refresh tokens and consents of the client at most, and the smallest database has fewer."],
]);

/** The commands of docs/operations.md that need no account: each with the beginning of its SQL. */
const COMMANDS = { "delete the events of a user": "DELETE FROM audit_events" };

/** The forms of a page. */
const formsOf = ({ body, ...page }) => body.split("<form").slice(1).map((form) => formOf({ ...page, body: `<form${form}` }));

/** Waits for the tasks after a response, which nothing shows. A name without an address fails at once. */
const afterResponse = () => new Promise((done) => setTimeout(done, 3_000));

/** Further steps of users and clients. */
export async function takeRareSteps({ fetch, operator, clients, users, clientServer }, measure) {
  const app = clients["client secret"];
  const alice = new Browser(fetch);
  const code = await alice.codeFor(app, users.alice, { scope: OFFLINE });
  const tokens = await successJson(await redeem(fetch, app, code));
  const refreshed = (scope) => requestToken(fetch, app, { grant_type: "refresh_token", refresh_token: tokens.refresh_token, scope });
  await successJson(await measure("Refresh that names a scope", () => refreshed("openid")));
  await successJson(await measure("Refresh, response lost before", () => refresh(fetch, app, tokens.refresh_token)));
  await measure("Redeem, code used before: grant revoked", () => redeem(fetch, app, code));

  const signing = clients.private_key_jwt;
  const signed = await signedRequest(signing, { scope: OFFLINE });
  const stored = await measure("POST authorize with a request object", () => alice.post("/auth/authorize", signed));
  await measure("GET authorize with the signed request: code", () => alice.get(redirectTarget(stored)));
  const withoutPkce = { code_challenge: undefined, code_challenge_method: undefined };
  const invalid = new URLSearchParams(authorizePath(clients["public client"], withoutPkce).split("?")[1]);
  const rejected = await measure("PAR push, invalid request", () => fetch("/auth/par", { method: "POST", body: invalid }));
  assert.equal(rejected.status, 400);
  const pushedByNew = new URLSearchParams(authorizePath(clientServer.client("/new.json")).split("?")[1]);
  const introduced = await measure("PAR push, client by document that is new", () =>
    fetch("/auth/par", { method: "POST", body: pushedByNew }));
  assert.equal(introduced.status, 201, await introduced.text());
  const stranger = new Browser(fetch);
  const silent = await signedRequest(signing, { scope: OFFLINE, prompt: "none" });
  const kept = redirectTarget(await stranger.post("/auth/authorize", silent));
  const refused = await measure("GET authorize with the signed request: error", () => stranger.get(kept));
  assert.equal(responseParameters(refused).error, "login_required");

  const { start, poll } = await putDeviceClient({ fetch, operator });
  const device = await successJson(await start());
  const page = formOf(await alice.get("/device"));
  const typed = await alice.post(page.action, { ...page.fields, user_code: device.user_code });
  const consent = formOf(await alice.get(redirectTarget(typed)));
  const denied = await measure("POST consent for a device: denial", () =>
    alice.post(consent.action, { ...consent.fields, decision: "deny" }));
  assert.equal(denied.status, 200, denied.body);
  assert.equal((await (await measure("Poll, denied", () => poll(device))).json()).error, "access_denied");

  const hearing = await putClient(operator, "hearing", { backchannel_logout_uri: "https://rp.example/backchannel" });
  const carol = new Browser(fetch);
  await carol.codeFor(hearing, users.carol);
  const signOut = formsOf(await carol.get("/auth/account")).find(({ action }) => action.endsWith("/auth/signout"));
  await measure("Sign-out, with a logout token for a server that does not answer", async () => {
    const { status } = await carol.post(signOut.action, signOut.fields);
    assert.equal(status, 200);
    await afterResponse();
  });

  const again = await alice.get(authorizePath(app, { scope: OFFLINE, prompt: "login" }));
  assert.ok(isLogin(again), again.body);
  const { action, fields } = formOf(again);
  await measure("POST login in a browser with a session", () =>
    alice.post(action, { ...fields, login: users.alice, password: PASSWORD }));
  const dave = new Browser(fetch);
  const form = formOf(await dave.get(authorizePath(app)));
  await measure("POST login, with an outdated password hash", () =>
    dave.post(form.action, { ...form.fields, login: users.dave, password: PASSWORD }));
  const [change] = formsTo(await dave.get("/auth/account"), "/auth/account/password");
  const changed = await measure("Account page, change of the password and end of all access", () =>
    dave.post(change.action, {
      ...change.fields, login: users.dave, current_password: PASSWORD, new_password: PASSWORD, end_access: "true",
    }));
  assert.equal(changed.status, 200, changed.body);

  const implicit = await putClient(operator, "implicit", { response_types: ["id_token"], grant_types: ["implicit"] });
  const noChallenge = { code_challenge: undefined, code_challenge_method: undefined };
  const idToken = authorizePath(implicit, { response_type: "id_token", scope: "openid", ...noChallenge });
  await alice.authorize(idToken, users.alice);
  await measure("GET authorize, implicit flow: ID token", () => alice.get(idToken));

  const pairwise = await putClient(operator, "pairwise", { subject_type: "pairwise" });
  const hint = (await successJson(await redeem(fetch, pairwise, await alice.codeFor(pairwise, users.alice)))).id_token;
  await measure("GET authorize, pairwise subject with a hint: code", () =>
    alice.get(authorizePath(pairwise, { id_token_hint: hint, prompt: "none" })));

  const { body } = await operator("POST", "/admin/initial-access-tokens", { uses: 1, ttl: 60 });
  const sector = { redirect_uris: [CALLBACK], sector_identifier_uri: "https://sector.example/uris.json" };
  await measure("Registration, initial access token and a sector that does not answer", () => fetch("/auth/register", {
    method: "POST", body: JSON.stringify(sector),
    headers: { "content-type": "application/json", authorization: `Bearer ${body.initial_access_token}` },
  }));
  const named = await operator("POST", "/admin/initial-access-tokens", { uses: 1, ttl: 60, resources: [RESOURCE] });
  const { status } = await measure("Registration, scope of an API that the initial access token names", () =>
    fetch("/auth/register", {
      method: "POST", body: JSON.stringify({ redirect_uris: [CALLBACK], scope: "orders:read" }),
      headers: { "content-type": "application/json", authorization: `Bearer ${named.body.initial_access_token}` },
    }));
  assert.equal(status, 201);
}

/** The operator takes back what bob and a new client were given. */
async function takeBack({ fetch, operator, users: { bob }, succeed }, measure) {
  const browser = new Browser(fetch);
  await browser.signInOn(await browser.get("/auth/account"), bob);
  await succeed("list 10 sessions", "GET", "/admin/sessions?limit=10");
  await succeed("list 10 sessions of a client", "GET", `/admin/sessions?client=${CLIENT}&limit=10`);
  const { sessions: [{ session }] } = await succeed("list the sessions of a user", "GET", `/admin/sessions?user=${bob}`);
  await succeed("end a session", "DELETE", `/admin/sessions/${session}`);
  await succeed("list the grants of a user", "GET", `/admin/grants?user=${bob}`);
  await succeed("list 10 grants of a client", "GET", `/admin/grants?client=${CLIENT}&limit=10`);
  await succeed("list the grants of a user at a client", "GET", `/admin/grants?user=${bob}&client=${CLIENT}`);
  await succeed("revoke the grants of a user at a client", "POST", "/admin/grants/revoke", { user: bob, client: CLIENT });
  await succeed("revoke the grants of a user", "POST", "/admin/grants/revoke", { user: bob });
  await succeed("revoke the grants of a client", "POST", "/admin/grants/revoke", { client: "new-app" });
  await succeed("sign a user out", "POST", `/admin/users/${bob}/signout`, { grants: true });
  await succeed("disable a user", "PUT", `/admin/users/${bob}/disabled`);
  await succeed("enable a user", "DELETE", `/admin/users/${bob}/disabled`);
  await succeed("replace the secret of a client", "POST", "/admin/clients/new-app/secret", {});
  await succeed("end the old secrets of a client", "DELETE", "/admin/clients/new-app/previous-secrets");
  await measure("Operator: revoke a registration access token", () =>
    operator("DELETE", "/admin/clients/new-app/registration-token"));
  const { initial_access_tokens: [{ initial_access_token: name }] } =
    await succeed("list initial access tokens", "GET", "/admin/initial-access-tokens?limit=1");
  await succeed("revoke an initial access token", "DELETE", `/admin/initial-access-tokens/${name}`);
}

/**
 * The operator's steps. `execute` runs SQL as a step. `database` is D1. The deletions of clients are last, because other
 * steps use these clients.
 */
export async function takeOperatorSteps({ fetch, operator, users, clients, execute, database, maintain }, measure) {
  const succeed = async (step, method, path, document = undefined) => {
    const { status, body } = await measure(`Operator: ${step}`, () => operator(method, path, document));
    assert.equal(status, 200, `${step}: ${JSON.stringify(body)}`);
    return body;
  };
  const token = { uses: 1, ttl: 60 };
  await succeed("store a user", "PUT", "/admin/users/new", { login: "new", claims: { name: "New User" } });
  await measure("Operator: store a user whose login is taken", () =>
    operator("PUT", "/admin/users/other", { login: users.bob }));
  await succeed("import a user whose login is taken", "POST", "/admin/users", { sub: "other", login: users.bob });
  await succeed("read a user", "GET", `/admin/users/${users.bob}`);
  await succeed("list 100 users", "GET", "/admin/users?limit=100");
  await succeed("set a password", "PUT", `/admin/users/${users.bob}/password`, { password: PASSWORD });
  const { grant_id } = await succeed("issue a token", "POST", "/admin/tokens", { sub: users.bob, scope: "openid" });
  await succeed("revoke a grant", "DELETE", `/admin/grants/${grant_id}`);
  await succeed("issue an initial access token", "POST", "/admin/initial-access-tokens", token);
  await succeed("store a client", "PUT", "/admin/clients/new-app", { client_name: "New App", redirect_uris: [CALLBACK] });
  const taken = await measure("Operator: store a client with the sub of a user", () =>
    operator("PUT", `/admin/clients/${users.carol}`, { redirect_uris: [CALLBACK] }));
  assert.equal(taken.status, 409);
  await succeed("read a client", "GET", "/admin/clients/new-app");
  await succeed("list 100 clients", "GET", "/admin/clients?limit=100");
  await succeed("read the status", "GET", "/healthz");
  await succeed("list 100 events", "GET", "/admin/audit?limit=100");
  await succeed("list the events of a user", "GET", `/admin/audit?user=${users.bob}`);
  await succeed("list the events of a client", "GET", `/admin/audit?client=${CLIENT}`);
  await succeed("list the revocations", "GET", "/admin/audit?kind=grant.revoked");
  await succeed("list failed sign-ins", "GET", "/admin/audit?kind=sign_in.failed&limit=100");
  await succeed("list 100 logout tokens", "GET", "/admin/logouts?limit=100");
  await succeed("send logout tokens again", "POST", "/admin/logouts/client-0001/retry");
  await afterResponse();
  await succeed("drop logout tokens", "DELETE", "/admin/logouts/client-0002");
  // One of a client that receives none, one of a server that does not answer, and one that nobody tried for a week. The times
  // are numbers, because the statements are repeated later.
  const due = Math.floor(Date.now() / 1_000) - 9;
  await execute([["client-0003", due], ["hearing", due], ["client-0004", due - 604_800]].map(([id, at]) =>
    `INSERT INTO logout_deliveries (session_id, client_id, sid, subject, ended_at, next_try_at) VALUES ('due', '${id}', 'sid', 'sub', ${due}, ${at})`).join("; "));
  await measure(DELIVERY, maintain);
  await takeBack({ fetch, operator, users, succeed }, measure);
  await succeed("delete a user", "DELETE", `/admin/users/${users.bob}`);

  const app = clients["client secret"];
  const path = authorizePath(app, { scope: "openid email" });
  const alice = new Browser(fetch);
  await alice.authorize(path, users.alice);
  await execute(`WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000)
    INSERT INTO grants (id, sub, client_id, scope, created_at)
    SELECT 'many-' || n, '${users.alice}', '${app.client_id}', 'openid', unixepoch() FROM numbers`);
  const refused = await measure("GET authorize with prompt=none: too many grants", () => alice.get(`${path}&prompt=none`));
  assert.equal(responseParameters(refused).error, "temporarily_unavailable");
  await execute("DELETE FROM grants WHERE id LIKE 'many-%'");

  const table = "initial_access_tokens";
  await database.prepare(`CREATE TRIGGER failing BEFORE INSERT ON ${table} BEGIN SELECT RAISE(ABORT, 'failing'); END`).run();
  await measure(SWEEP, () => operator("POST", "/admin/initial-access-tokens", token));
  await database.prepare("DROP TRIGGER failing").run();

  const commands = readFileSync(join(root, "docs", "operations.md"), "utf8").matchAll(/ --command "([^"]*)"/g);
  const texts = [...commands].map(([, sql]) => sql);
  for (const [step, beginning] of Object.entries(COMMANDS)) {
    const sql = texts.find((text) => text.startsWith(beginning));
    assert.ok(sql, `docs/operations.md has no command ${beginning}`);
    await measure(`Operator: ${step}`, () => execute(sql));
  }
  await succeed("delete a client with one user", "DELETE", "/admin/clients/public");
  await succeed("delete a client with a tenth of the users", "DELETE", `/admin/clients/${CLIENT}`);
}
