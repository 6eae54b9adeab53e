// Writes the corpora that the fuzz targets begin with, from the tests: the rows of tests/vectors, and the texts of the
// tables in the source of the tests. The files of fuzz/seeds are for what no test has; they are used as they are.
//
//   node fuzz/seeds.mjs
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isMain, root } from "../scripts/steps.mjs";

/** The targets split their input by this byte, which no text in UTF-8 has. */
const SEPARATOR = Buffer.from([0xff]);

/** The longest seed, in bytes. A longer one makes every run that begins with it slow. */
const LIMIT = 4096;

/** @typedef {string | Buffer} Part */

/**
 * Joins the parts of an input.
 *
 * @param {Part[]} parts
 */
const input = (...parts) =>
  Buffer.concat(parts.flatMap((part, index) => [...(index > 0 ? [SEPARATOR] : []), Buffer.from(part)]));

/**
 * An input that begins with a choice.
 *
 * @param {number} choice
 * @param {Part[]} parts
 */
const chosen = (choice, ...parts) => Buffer.concat([Buffer.from([choice]), input(...parts)]);

/** @param {string} path */
const read = (path) => readFileSync(join(root, path), "utf8");

/** @param {string} name */
const vectors = (name) => JSON.parse(read(`tests/vectors/${name}.json`));

/**
 * @typedef {object} Sent
 * @property {string} method
 * @property {string} target
 * @property {[string, string][]} headers
 * @property {string | null} body
 */

/**
 * The requests of the test tables.
 *
 * @returns {Sent[]}
 */
function requests() {
  const tables = ["authorize", "device", "logout", "strangers", "taken_back", "token", "userinfo"];
  /** @type {Sent[]} */
  const rows = tables.flatMap((name) => vectors(name).rows);
  const registrations = vectors("registration").rows.map((/** @type {{ content_type: string, body: string }} */ row) => ({
    method: "POST", target: "/auth/register", headers: [["content-type", row.content_type]], body: row.body,
  }));
  const odd = vectors("odd_shapes").requests.map((/** @type {{ method: string, path: string, text: string }} */ row) =>
    row.method === "GET"
      ? { method: "GET", target: `${row.path}?${row.text}`, headers: [], body: null }
      : { method: row.method, target: row.path, headers: [["content-type", row.text.startsWith("{")
        ? "application/json" : "application/x-www-form-urlencoded"]], body: row.text });
  return [...rows.map((row) => ({ ...row, target: row.target ?? "/auth/userinfo", method: row.method ?? "GET" })),
    ...registrations, ...odd];
}

/**
 * The texts between quotation marks in Rust source, and the raw ones.
 *
 * @param {string[]} paths
 */
function texts(...paths) {
  const found = new Set();
  for (const path of paths) {
    const source = read(path);
    for (const [, raw] of source.matchAll(/r#"(.*?)"#/gs)) found.add(raw);
    for (const [, text] of source.matchAll(/(?<!r#)"((?:[^"\\\n]|\\.)*)"/g)) {
      found.add(text.replace(/\\u\{([0-9a-f]+)\}/g, (_, code) => String.fromCodePoint(parseInt(code, 16)))
        .replace(/\\([nrt0"\\])/g, (_, c) => ({ n: "\n", r: "\r", t: "\t", 0: "\0" })[/** @type {"n"} */ (c)] ?? c));
    }
  }
  return [...found];
}

/** @param {string} folder */
const sources = (folder) =>
  readdirSync(join(root, folder)).filter((name) => name.endsWith(".rs")).map((name) => `${folder}/${name}`);

/** @param {string} text */
const isJson = (text) => /^\s*[{[]/.test(text);

/** @param {string} text */
const isUrl = (text) => /^[a-zA-Z][a-zA-Z0-9+.-]*:/.test(text);

/**
 * The header, payload and signature of a token, decoded.
 *
 * @param {string} token
 */
const decoded = (token) => token.split(".").map((part) => Buffer.from(part, "base64url"));

/** @param {Sent} sent */
const query = ({ target }) => target.split("?")[1] ?? "";

/**
 * The value of a header.
 *
 * @param {Sent} sent
 * @param {string} name
 */
const header = ({ headers }, name) => headers.find(([known]) => known === name)?.[1] ?? "";

/** Requests for the pages that have forms, by a user who is signed in, with what the user does there. */
function pages() {
  const cookie = "cookie: __Host-postern-session=ALICE-is-signed-in-with-this-cookie-012345_; "
    + "__Host-postern-browser.01234567=0123456789-the-id-of-a-browser-_ABCDEFGHIJK";
  const authorize = "/auth/authorize?client_id=app&response_type=code&scope=openid+email&state=s&redirect_uri="
    + "https%3A%2F%2Fapp.example%2Fplain";
  return ["decision=allow", "decision=switch", "decision=deny", "choice=continue", "session=x"].flatMap((act) =>
    [authorize, `${authorize}&prompt=consent`, `${authorize}&prompt=select_account`, "/auth/account", "/auth/logout",
      "/auth/logout?client_id=app", "/auth/device?user_code=WDJB-MJHT"].map((target) => input("GET", target, cookie, "", "", act, "")));
}

/**
 * Requests for which the provider fetches something of a client.
 *
 * @param {string[]} documents
 * @param {object[]} keys
 */
function fetches(documents, keys) {
  const url = "https://app.example/client.json";
  const authorize = `/auth/authorize?client_id=${encodeURIComponent(url)}&response_type=code&scope=openid&redirect_uri=`
    + `https%3A%2F%2Fapp.example%2Fcb&code_challenge=${"a".repeat(42)}A&code_challenge_method=S256`;
  const json = "application/json";
  const form = `content-type: application/x-www-form-urlencoded`;
  return [
    ...documents.filter(isJson).flatMap((text) => {
      const document = text.replace(/^\s*\{/, `{"client_id":"${url}","token_endpoint_auth_method":"none",`);
      return [input("GET", authorize, "", document, json, "", ""),
        input("POST", "/auth/par", form, document, json, "", authorize.split("?")[1])];
    }).slice(0, 200),
    ...keys.map((key) => input("POST", "/auth/token", form, JSON.stringify({ keys: [key] }), json, "",
      `grant_type=authorization_code&code=x&client_id=${encodeURIComponent(url)}`)),
    ...["https://app.example/cb", "https://other.example/cb"].map((uri) => input("POST", "/auth/register",
      `content-type: ${json}`, JSON.stringify([uri]), json, "", JSON.stringify({ redirect_uris: [uri],
        subject_type: "pairwise", sector_identifier_uri: "https://app.example/jwks" }))),
  ];
}

/** The inputs of each target. */
function seeds() {
  const sent = requests();
  const all = texts(...sources("tests/it/hostile"), ...sources("tests/it/real_clients"), ...sources("tests/it"));
  const json = [...new Set([...all.filter(isJson), ...sent.map(({ body }) => body ?? "").filter(isJson)])];
  const documents = [...new Set(vectors("registration").rows.map((/** @type {{ body: string }} */ row) => row.body))];
  const source = (/** @type {string} */ path) => texts(`src/${path}.rs`);
  const urls = [...new Set([...source("protocol/client/redirect_uri"), ...source("protocol/client/outbound_url"),
    ...source("protocol/client/client_id_url"), ...source("protocol/own_host"), ...source("protocol/same_uri"),
    ...source("protocol/authority"), ...all].filter(isUrl))];
  const queries = [...new Set(sent.map(query).filter(Boolean))];
  const forms = [...new Set(sent.map(({ body }) => body ?? "").filter((body) => body && !isJson(body)))];
  /** @type {(name: string) => { text?: string, jws?: unknown, jwk?: object, keys?: object[] }[]} */
  const foreign = (name) => vectors(`foreign/${name}`);
  const suites = ["json_test_suite", "json_checker"].flatMap(foreign).flatMap(({ text }) => text ?? []);
  const tokens = [...new Set([...foreign("json_web_signature").flatMap(({ jws }) => typeof jws === "string" ? jws : []), read("tests/vectors/access_token.txt").trim(),
    ...sent.map((one) => header(one, "authorization").replace(/^Bearer /i, "")),
    ...[...queries, ...forms].flatMap((text) => [...new URLSearchParams(text).values()])]
    .filter((text) => text.split(".").length === 3 && text.startsWith("ey")))];
  const parameters = (/** @type {string} */ name) =>
    [...new Set([...queries, ...forms].flatMap((text) => new URLSearchParams(text).getAll(name)))];
  const keys = vectors("odd_shapes").keys.map((/** @type {{ key: object }} */ row) => row.key);
  const privateKeys = JSON.parse(read("tests/vectors/rsa_private_keys.json"));
  const now = 1_780_000_000;
  const jwts = [
    ["{\"alg\":\"ES256\",\"kid\":\"a\",\"typ\":\"JWT\"}", JSON.stringify({ iss: "app", sub: "app", jti: "1",
      aud: "https://login.example.com", exp: now + 60, iat: now })],
    ["{\"alg\":\"EdDSA\",\"typ\":\"client-authentication+jwt\"}", JSON.stringify({ iss: "app", sub: "app", jti: "1",
      aud: ["https://login.example.com/auth/token"], exp: now + 60.5, nbf: now - 0.5 })],
    ["{\"alg\":\"PS256\",\"typ\":\"oauth-authz-req+jwt\"}", JSON.stringify({ iss: "app", client_id: "app",
      aud: "https://login.example.com", iat: now, scope: "openid", resource: ["https://api.example"], max_age: 60,
      claims: { userinfo: { email: null } }, state: "s" })],
    ["{\"alg\":\"RS256\"}", JSON.stringify({ client_id: "app", aud: ["https://login.example.com/"], exp: now + 60,
      response_type: "code", redirect_uri: "https://app.example/cb" })],
  ];
  /** @type {[string, string][]} */
  const ownTokens = [
    ["{\"alg\":\"ES256\",\"kid\":\"a\",\"typ\":\"at+jwt\"}", JSON.stringify({ iss: "https://login.example.com",
      aud: "https://login.example.com/auth/userinfo", client_id: "app", exp: now + 60, iat: now, jti: "1",
      grant_id: "g", scope: "openid", sub: "alice" })],
    ["{\"alg\":\"ES256\",\"kid\":\"a\",\"typ\":\"application/at+JWT\"}", JSON.stringify({ sub: "app", client_id: "app",
      iss: "https://login.example.com", aud: ["https://login.example.com/auth/userinfo", "x"], exp: now + 60,
      iat: now, nbf: now, jti: "1", scope: "" })],
    ["{\"alg\":\"RS256\",\"kid\":\"a\",\"typ\":\"JWT\"}", JSON.stringify({ iss: "https://login.example.com", sid: "s",
      aud: "app", sub: "alice", auth_time: now, exp: now, iat: now })],
  ];
  const userAgents = texts("src/protocol/user/user_agent.rs", "src/protocol/authorization/device_request.rs",
    "src/pages/texts/mod.rs", "src/protocol/client/cache_time.rs", "src/http.rs");
  const typed = [...source("protocol/user/login"), ...source("protocol/user/password"),
    ...source("protocol/client/client_name"), ...source("protocol/authorization/user_code"),
    ...source("protocol/text_forms"), ...texts("tests/it/real_clients/unicode.rs")];
  return {
    access_token: [Buffer.from([0, 0, 2, 1]), Buffer.from([1, 9, 3, 7]), Buffer.from([0, 90, 0, 65, 0, 99, 1, 0])],
    authorization_header: [
      ...sent.map((one) => input(header(one, "authorization"), query(one), one.body ?? "")),
      ...texts("src/protocol/token/bearer.rs", "src/protocol/client/authentication.rs").map((text) => input(text, "", "")),
    ],
    authorize_request: queries.flatMap((text) => [0, 1, 2, 3, 11].map((choice) =>
      chosen(choice, text, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"))),
    claims: [...source("protocol/authorization/claims_request"), ...parameters("claims"), ...json],
    client_document: documents.filter(isJson).map((text) => {
      try {
        const fields = JSON.parse(text);
        delete fields.client_secret;
        return input("https://app.example/client.json", JSON.stringify({ client_id: "https://app.example/client.json",
          ...fields, token_endpoint_auth_method: fields.jwks || fields.jwks_uri ? "private_key_jwt" : "none" }));
      } catch {
        return input("https://app.example/client.json", text);
      }
    }),
    client_jwt: [...jwts.map(([one, other]) => chosen(1, one, other, "signature")),
      ...tokens.flatMap((token) => [chosen(0, token), chosen(1, ...decoded(token))])],
    cookies: [...new Set(sent.map((one) => header(one, "cookie")).filter(Boolean))].flatMap((text) =>
      [0, 3, 5].map((choice) => chosen(choice, text, ""))).concat(
      texts("tests/it/hostile/browser_cookies.rs").flatMap((text) => [chosen(3, text, ""), chosen(3, "", text)])),
    headers: userAgents.flatMap((text) => [input(text, "", "", ""), input(text, "5", String(now + 60), String(now))]),
    interaction_token: queries.flatMap((text) => [chosen(0x43, text, "alice", Buffer.from([3, 65])), chosen(5, text, "", "1780000000.01234567.x")]),
    json: [...json, ...suites, ...source("jose/json")],
    jwk: [...foreign("json_web_signature").flatMap((row) => row.keys ? JSON.stringify({ keys: row.keys }) : []),
      ...keys.map((/** @type {object} */ key) => JSON.stringify({ keys: [{ ...key, kid: "a" }] })),
      read("tests/vectors/jwks.json"), ...JSON.parse(read("tests/vectors/jwks.json")).keys.map((/** @type {object} */ key) => JSON.stringify(key)),
      ...privateKeys.slice(0, 2).map((/** @type {object} */ key) => JSON.stringify(key)), ...json.filter((text) => text.includes("kty"))],
    jws: [...ownTokens.map(([one, other]) => chosen(1, one, other, "signature")),
      ...tokens.flatMap((token) => [chosen(0, token, Buffer.from([3, 65])), chosen(1, ...decoded(token))])],
    outbound_url: urls,
    params: [...queries, ...forms].map((text) => input("application/x-www-form-urlencoded; charset=UTF-8", text)),
    redirect_uri: urls.flatMap((text) => [input(text, text), input(text, text.replace(/:\d+/, ":4711"))]),
    registration: documents,
    request: sent.flatMap((one) => {
      const lines = one.headers.map(([name, value]) =>
        `${name}: ${name === "authorization" && value.startsWith("Bearer ey") ? "Bearer TOKEN" : value}`);
      const acts = one.method === "GET" && one.target.includes("prompt=consent") ? ["decision=allow", "decision=deny"] : [];
      return ["", ...acts].map((act) => input(one.method, one.target, lines.join("\n"), "", "", act, one.body ?? ""));
    }).concat(pages(), fetches(documents, keys)),
    scopes: [...parameters("scope"), ...source("protocol/user/scope_value"), ...source("protocol/user/scope")].map((text) =>
      input(`${text} openid email groups read`, text, "email name#fr salary", "https://api.example/")),
    sealed: [chosen(2, "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"), chosen(3, "", Buffer.from([3, 65, 90, 66])),
      chosen(1, "a"), chosen(0, "a"), chosen(4, "ab")],
    sql: typed.map((text) => input(text, text.slice(1), "42")),
    typed_text: typed,
  };
}

/** The source files whose words a target's inputs may have. */
const WORDS = {
  authorization_header: ["protocol/token/bearer", "protocol/client/authentication"],
  authorize_request: ["protocol/authorization/authorize_request", "protocol/authorization/reply_to",
    "protocol/client/metadata/values", "protocol/user/scope"],
  claims: ["protocol/authorization/claims_request", "protocol/user/claims"],
  client_document: ["protocol/client/metadata/mod", "protocol/client/metadata/values", "protocol/client/client_document"],
  client_jwt: ["jose/client_jwk", "protocol/client/assertion", "protocol/authorization/request_object"],
  cookies: ["interaction/cookies"],
  headers: ["protocol/user/user_agent", "protocol/client/cache_time"],
  jwk: ["jose/client_jwk", "jose/jwk/mod"],
  jws: ["protocol/token/access_token", "protocol/token/id_token"],
  outbound_url: ["protocol/client/outbound_url", "protocol/client/client_id_url"],
  params: ["protocol/authorization/authorize_request", "protocol/client/authentication"],
  redirect_uri: ["protocol/client/redirect_uri", "protocol/client/scheme", "protocol/own_host"],
  registration: ["protocol/client/metadata/mod", "protocol/client/metadata/values", "protocol/client/metadata/redirect_uris",
    "protocol/client/metadata/introspection", "protocol/client/unsupported_metadata", "protocol/client/localized"],
  request: ["routes", "protocol/authorization/authorize_request", "protocol/client/authentication", "grant/mod"],
  scopes: ["protocol/user/scope", "protocol/user/claims"],
};

/** Further words of requests: those of users, and marks that no page may have unless they are escaped. */
const OF_REQUESTS = ["POST", "HEAD", "OPTIONS", "authorization: Bearer TOKEN", "authorization: Basic ",
  "content-type: application/x-www-form-urlencoded", "content-type: application/json", "decision=allow",
  "origin: https://login.example.com", "accept-language: de;q=0.5", "<fuzz", "%3Cfuzz", "%22fuzz", "%27fuzz",
  "cookie: __Host-postern-session=ALICE-is-signed-in-with-this-cookie-012345_"];

/**
 * Writes a dictionary of libFuzzer: the short texts of the source, and the separator.
 *
 * @param {string} target
 * @param {string[]} paths
 */
function writeDictionary(target, paths) {
  const metadata = paths.some((path) => path.endsWith("metadata/mod"));
  const fields = metadata ? [...read("src/protocol/client/metadata/mod.rs").matchAll(/pub (\w+): /g)].map(([, name]) => name) : [];
  const found = [...texts(...paths.map((path) => `src/${path}.rs`)), ...fields, ...(target === "request" ? OF_REQUESTS : [])];
  const words = found.filter((text) => text.length <= 80 && /^[!-~][ -~]+$/.test(text) && (text.length <= 40 || !text.includes(" ")));
  const lines = [...new Set(words)].map((text) => `"${text.replace(/[\\"]/g, "\\$&")}"`);
  writeFileSync(join(root, "fuzz", "dictionaries", `${target}.dict`), `${[...lines, "\"\\xff\""].join("\n")}\n`);
}

/** Writes the corpora and the dictionaries, and returns how many files each corpus has got. */
export function writeSeeds() {
  mkdirSync(join(root, "fuzz", "dictionaries"), { recursive: true });
  for (const [target, paths] of Object.entries(WORDS)) writeDictionary(target, paths);
  /** @type {Record<string, number>} */
  const counts = {};
  for (const [target, inputs] of Object.entries(seeds())) {
    const folder = join(root, "fuzz", "corpus", target);
    mkdirSync(folder, { recursive: true });
    const files = new Map(inputs.map((text) => Buffer.from(text)).filter((bytes) => bytes.length <= LIMIT)
      .map((bytes) => [createHash("sha1").update(bytes).digest("hex"), bytes]));
    const present = new Set(readdirSync(folder));
    for (const [name, bytes] of files) if (!present.has(name)) writeFileSync(join(folder, name), bytes);
    counts[target] = files.size;
  }
  return counts;
}

if (isMain(import.meta.url)) console.log(writeSeeds());
