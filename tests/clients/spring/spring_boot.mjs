// The tests of a generation of Spring Boot: its login and its resource server, with the configuration of docs/clients.md.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { run } from "../../../scripts/steps.mjs";
import { successJson, requestToken } from "../../edge/browser.mjs";
import { documentedResources, documentedSettings } from "../documented.mjs";
import { install } from "../install.mjs";
import { freePort, startServer } from "../programs.mjs";
import { ALICE, startProvider } from "../provider.mjs";

const LOGIN = "Spring Boot";
const RESOURCE_SERVER = "Spring Boot resource server";
/** The APIs of the document: with its own kind of access token, and as Spring Boot accepts them without code. */
const API = "https://api.example.com";
const PLAIN_API = "https://plain.example.com";
const { [API]: entry } = documentedResources(RESOURCE_SERVER);
const RESOURCES = { [API]: ["orders:read"], [PLAIN_API]: { ...entry, scopes: ["plain:read"] } };
const REFRESHABLE = { grant_types: ["authorization_code", "refresh_token"] };
const CALLBACK = "https://app.example/callback";

/** The class for a documented decoder, with the imports that an editor adds. */
const DECODER_CLASS = (bean) => `package api;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import java.util.List;
import java.util.Objects;
import org.springframework.context.annotation.*;
import org.springframework.security.oauth2.core.*;
import org.springframework.security.oauth2.jwt.*;

@Configuration
class AccessTokens {
${bean}
}
`;

const withoutScope = (yaml) => yaml.replace(/^ +scope: .*\n/m, "");

const source = (path) => fileURLToPath(new URL(path, import.meta.url));

/**
 * Defines the tests of a generation, which is a name of versions.json.
 *
 * @param {string} name
 * @param {string[]} decoders the documented decoders that it can use, in the document's order
 */
export async function testSpringBoot(name, decoders) {
  const { bin } = await install(name);
  const jars = bin("");
  const provider = await startProvider({ vars: { RESOURCES } });
  const folder = mkdtempSync(join(tmpdir(), "postern-spring-"));
  after(() => rmSync(folder, { recursive: true }));

  /** Compiles these sources. Returns their class path. */
  async function compile(...sources) {
    const classes = mkdtempSync(join(folder, "classes-"));
    await run("javac", ["-parameters", "-classpath", jars, "-d", classes, ...sources]);
    return [classes, jars].join(delimiter);
  }

  /** Starts an application with this application.yaml. Returns its origin. */
  async function start(classPath, main, yaml, port) {
    const cwd = mkdtempSync(join(folder, "application-"));
    writeFileSync(join(cwd, "application.yaml"), yaml);
    // The compiler that starts fast is enough for a few requests.
    const args = ["-XX:TieredStopAtLevel=1", "-classpath", classPath, main, `--server.port=${port}`];
    await startServer(port, "java", args, { cwd });
    return `http://127.0.0.1:${port}`;
  }

  const context = { provider, compile, start, folder };
  await testLogin(name, context);
  await testResourceServer(name, decoders, context);
}

async function testLogin(name, { provider, compile, start }) {
  let compiled;
  /**
   * Starts the application with the documented configuration, changed by `change`, and with these metadata besides.
   *
   * @param {string} id
   * @param {{ change: (yaml: string) => string, more?: object }} options
   */
  async function startLogin(id, { change, more = {} }) {
    compiled ??= compile(source("login/LoginApplication.java"));
    const port = await freePort();
    const metadata = JSON.parse(documentedSettings(LOGIN, "json", { "https://shop.example.com": `http://127.0.0.1:${port}` }));
    const { client_secret: secret } = await provider.putClient(id, { ...metadata, ...REFRESHABLE, ...more });
    const yaml = documentedSettings(LOGIN, "yaml", {
      "https://login.example.com": provider.issuer, CLIENT_ID: id, CLIENT_SECRET: secret,
    });
    return start(await compiled, "login.LoginApplication", change(yaml), port);
  }

  /** Signs alice in. Returns what the application knows of her. */
  async function signIn(browser, origin) {
    const page = await browser.visit(`${origin}/`);
    assert.equal(page.url.href, `${origin}/?continue`, page.body);
    return JSON.parse(page.body);
  }

  /** Asserts that the access token of a signed-in user is refreshed, and that the user is as before. */
  async function assertRefreshed(browser, origin) {
    const [first, second] = [await browser.visit(`${origin}/token`), await browser.visit(`${origin}/token`)];
    assert.deepEqual([first.status, second.status], [200, 200], first.body + second.body);
    assert.notEqual(JSON.parse(first.body).token, JSON.parse(second.body).token);
    const { body } = await browser.visit(`${origin}/`);
    assert.equal(JSON.parse(body).claims.email, ALICE.email);
  }

  test(`${name} signs a user in with the documented scopes, and refreshes`, async () => {
    const origin = await startLogin("scopes", { change: (yaml) => yaml.replace(/(scope: .*)/, "$1, offline_access") });
    const browser = provider.browser();
    const { kind, name: userName, claims } = await signIn(browser, origin);
    assert.deepEqual([kind, userName], ["DefaultOidcUser", ALICE.preferred_username]);
    assert.deepEqual([claims.sub, claims.name, claims.email], ["alice", ALICE.name, ALICE.email]);
    await assertRefreshed(browser, origin);
  });

  test(`${name} without the property scope knows what the client has registered, and refreshes`, async () => {
    const more = { scope: "openid profile email offline_access" };
    const origin = await startLogin("no-scope", { change: withoutScope, more });
    const browser = provider.browser();
    const { kind, name: userName, claims } = await signIn(browser, origin);
    assert.deepEqual([kind, userName], ["DefaultOAuth2User", ALICE.preferred_username]);
    assert.deepEqual([claims.sub, claims.name, claims.email], ["alice", ALICE.name, ALICE.email]);
    await assertRefreshed(browser, origin);
  });

  test(`${name} without the property scope knows the subject, if the client has registered no scope`, async () => {
    const change = (yaml) => withoutScope(yaml).replace(/\n +user-name-attribute: .*/, "");
    const { name: userName, claims } = await signIn(provider.browser(), await startLogin("nothing", { change }));
    assert.deepEqual([userName, claims], ["alice", { sub: "alice" }]);
  });
}

async function testResourceServer(name, decoders, { provider, compile, start, folder }) {
  const scope = "openid profile email orders:read plain:read";
  const app = await provider.putClient("app", { client_name: "App", redirect_uris: [CALLBACK], scope });
  const machine = await provider.putClient("machine", {
    client_name: "Machine", grant_types: ["client_credentials"], scope: "orders:read plain:read",
  });

  /** The access token of alice for a resource, or for userinfo, with the other tokens of the response. */
  async function tokensOfAlice(resource) {
    const { searchParams } = await provider.signIn(`${provider.issuer}/auth/authorize?${new URLSearchParams({
      response_type: "code", client_id: "app", redirect_uri: CALLBACK, scope,
    })}`);
    return successJson(await requestToken(provider.worker.fetch, app, {
      grant_type: "authorization_code", code: searchParams.get("code"), redirect_uri: CALLBACK, ...(resource && { resource }),
    }));
  }

  async function tokenOfMachine(resource) {
    const response = await requestToken(provider.worker.fetch, machine, { grant_type: "client_credentials", resource });
    return (await successJson(response)).access_token;
  }

  /** Presents a token. Returns the status, the JSON if the token is accepted, and the challenge if not. */
  async function present(origin, token) {
    const response = await fetch(`${origin}/orders`, { headers: { authorization: `Bearer ${token}` } });
    const { status, headers } = response;
    /** @type {any} */
    const caller = response.ok ? await response.json() : {};
    return { status, caller, challenge: headers.get("www-authenticate") };
  }

  /** Asserts that the API accepts the tokens of a user and of a machine, and no other tokens of the provider. */
  async function assertProtects(origin, resource, otherResource, granted) {
    const ofAlice = await tokensOfAlice(resource);
    const accepted = { alice: ofAlice.access_token, machine: await tokenOfMachine(resource) };
    for (const [sub, token] of Object.entries(accepted)) {
      const { status, caller, challenge } = await present(origin, token);
      assert.equal(status, 200, challenge);
      assert.equal(caller.name, sub);
      assert.ok(caller.authorities.includes(`SCOPE_${granted}`), String(caller.authorities));
    }
    const forUserinfo = await tokensOfAlice();
    const refused = {
      "of another API": await tokenOfMachine(otherResource), "for userinfo": forUserinfo.access_token,
      "the ID token": forUserinfo.id_token, "without its signature": ofAlice.access_token.replace(/[^.]*$/, ""),
    };
    for (const [which, token] of Object.entries(refused)) assert.equal((await present(origin, token)).status, 401, which);
  }

  const api = source("api/ApiApplication.java");

  for (const [index, version] of decoders.entries()) {
    test(`${name} accepts the type at+jwt with the documented decoder ${version}`, async () => {
      const decoder = documentedSettings(RESOURCE_SERVER, "java", { "https://login.example.com": provider.issuer }, index);
      const file = join(folder, "AccessTokens.java");
      writeFileSync(file, DECODER_CLASS(decoder));
      const origin = await start(await compile(api, file), "api.ApiApplication", "", await freePort());
      await assertProtects(origin, API, PLAIN_API, "orders:read");
    });
  }

  const withoutCode = (change = (text) => text) => async () => {
    const yaml = documentedSettings(RESOURCE_SERVER, "yaml", { "https://login.example.com": provider.issuer, [API]: PLAIN_API });
    const origin = await start(await compile(api), "api.ApiApplication", change(yaml), await freePort());
    await assertProtects(origin, PLAIN_API, API, "plain:read");
  };
  test(`${name} accepts the tokens of an API with RS256 and the type JWT without code`, withoutCode());
  test(`${name} accepts them also by jwk-set-uri, where it knows RS256 only`, withoutCode((yaml) =>
    yaml.replace(/issuer-uri: (.*)/, "jwk-set-uri: $1/auth/jwks.json")));
}
