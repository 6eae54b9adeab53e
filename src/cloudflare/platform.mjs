// The platform's functions for the wasm module. Each does all of its work in one call from wasm. The crate `worker` would
// make a call for each parameter, field and value. Functions that wait are asynchronous, so that they reject instead of
// throwing. They return a text where possible: rows and keys are JSON.
const { subtle } = crypto;

/** SubtleCrypto's parameters of each algorithm, in one object for generating, importing, signing and verifying. */
const ALGORITHMS = {
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  RS256: {
    name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]),
  },
  // Only clients sign with these.
  EdDSA: { name: "Ed25519" },
  PS256: { name: "RSA-PSS", hash: "SHA-256", saltLength: 32 },
};

/** Polls a task with the outcome of each promise that it waits for, until it returns a value. */
export async function drive(task, promise) {
  for (let next = promise; ;) {
    let value;
    let error;
    try {
      value = await next;
    } catch (thrown) {
      error = message(thrown);
    }
    next = task.resume(value, error);
    if (!(next instanceof Promise)) {
      task.free();
      return next;
    }
  }
}

/** The message alone, because the text form of an error can contain a stack trace with paths. */
const message = (error) => (error instanceof Error ? error.message : typeof error === "string" ? error : "no message");

// Requests and responses.

export const head = (request) => `${request.method} ${request.url}`;

export const header = (request, name) => request.headers.get(name);

/** Returns the country that the platform found by the address, or undefined. */
export const country = (request) => request.cf?.country;

/** Returns the body, or null if it has more bytes than the limit. Reading stops at the limit. */
export async function body(request, limit) {
  // HTTP ends a body at its content-length, so one call can read it.
  if (Number(request.headers.get("content-length") ?? "unknown") <= limit) {
    const whole = new Uint8Array(await request.arrayBuffer());
    return whole.length > limit ? null : whole;
  }
  return read(request.body, limit);
}

/** Returns the bytes of a stream, or null if there are more than the limit. */
async function read(stream, limit) {
  const reader = stream?.getReader();
  const chunks = [];
  let length = 0;
  for (let chunk; reader && (chunk = (await reader.read()).value);) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > limit) {
      // Nothing waits for the cancellation, and its failure does not matter.
      reader.cancel().catch(() => {});
      return null;
    }
  }
  const whole = new Uint8Array(length);
  let end = 0;
  for (const chunk of chunks) {
    whole.set(chunk, end);
    end += chunk.length;
  }
  return whole;
}

/** `Headers` objects of recurring responses, by their fields as `respond` gets them. At most 32. */
const recurringHeaders = new Map();

/** Creates a response. `fields` has a line for each name, followed by a line for its value. */
export function respond(status, fields, body, isRecurring) {
  try {
    const headers = recurringHeaders.get(fields);
    if (headers) return new Response(body, { status, headers });
    return respondAnew(status, fields, body, isRecurring);
  } catch (error) {
    console.error(error);
    return Response.error();
  }
}

function respondAnew(status, fields, body, isRecurring) {
  const headers = {};
  const cookies = [];
  const lines = fields.split("\n");
  for (let line = 0; line + 1 < lines.length; line += 2) {
    // An object cannot contain a name twice, so each cookie is appended below.
    if (lines[line] === "set-cookie") cookies.push(lines[line + 1]);
    else headers[lines[line]] = lines[line + 1];
  }
  const response = new Response(body, { status, headers });
  for (const cookie of cookies) response.headers.append("set-cookie", cookie);
  if (isRecurring) {
    // The oldest ones make room, which costs them one object each.
    if (recurringHeaders.size >= 32) recurringHeaders.delete(recurringHeaders.keys().next().value);
    recurringHeaders.set(fields, new Headers(headers));
  }
  return response;
}

// Requests to the servers of clients.

/** Fetches a document, and returns it as JSON. */
export async function fetchDocument(url, accept, limit, timeout, isBinary) {
  return JSON.stringify(await exchange(url, { headers: { accept } }, limit, timeout, isBinary));
}

/** Posts forms at the same time, and returns as JSON the document of each, or its error. */
export async function postForms(forms, accept, limit, timeout) {
  const headers = { accept, "content-type": "application/x-www-form-urlencoded" };
  const post = async ({ url, body }) => {
    try {
      return { document: await exchange(url, { method: "POST", headers, body }, limit, timeout, false) };
    } catch (error) {
      return { failed: message(error) };
    }
  };
  return JSON.stringify(await Promise.all(JSON.parse(forms).map(post)));
}

/**
 * Sends a request, and returns the document of its response. `limit` counts the decompressed bytes as they arrive, and
 * `timeout` covers the whole transfer, because the server's content-length guarantees neither.
 */
async function exchange(url, { headers, ...init }, limit, timeout, isBinary) {
  const signal = AbortSignal.timeout(timeout);
  const all = { ...headers, "user-agent": "Postern" };
  const response = await fetch(url, { ...init, redirect: "manual", headers: all, signal });
  const bytes = await read(response.body, limit);
  const text = bytes && content(bytes, isBinary);
  const [type] = (response.headers.get("content-type") ?? "").split(";");
  const caching = cacheHeaders(response.headers);
  return { status: response.status, media_type: type.trim().toLowerCase(), text, caching };
}

/** Returns the headers for caches, with times in Unix seconds. A time that is not a date is 0. */
function cacheHeaders(headers) {
  const seconds = (name) => (headers.has(name) ? Math.floor(Date.parse(headers.get(name)) / 1000) || 0 : undefined);
  return {
    cache_control: headers.get("cache-control") ?? "", age: headers.get("age") ?? "", expires: seconds("expires"),
    date: seconds("date"),
  };
}

/** Returns binary content as base64, and other content as it is, or null if that is not UTF-8. */
function content(bytes, isBinary) {
  if (isBinary) return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

// The bindings.

// D1 uses a replica only within a session. Without one it queries the primary.
const nearest = (database) => database.withSession("first-unconstrained");

const prepared = (database, { sql, parameters }) => database.prepare(sql).bind(...parameters);

/** Runs one statement, and returns its rows as JSON. */
export const query = async (database, isPrimary, statement) =>
  JSON.stringify(await prepared(isPrimary ? database : nearest(database), JSON.parse(statement)).raw());

/** Runs statements in one transaction, and returns the rows of each as JSON. */
export async function batch(database, statements) {
  const results = await database.batch(JSON.parse(statements).map((statement) => prepared(database, statement)));
  // The properties of a row object are in the order of the statement's columns.
  return JSON.stringify(results.map(({ results }) => (results ?? []).map((row) => Object.values(row))));
}

/** Returns the text of a key in KV, or null. */
export const readCache = async (kv, key) => kv.get(key);

export const writeCache = async (kv, key, text, expirationTtl) => kv.put(key, text, { expirationTtl });

/** Waits. A request must not wait for a promise of another request, but for time to pass. */
export const sleep = async (milliseconds) => scheduler.wait(milliseconds);

export const isWithinLimit = async (limiter, key) => (await limiter.limit({ key })).success;

/** Returns a text in a Unicode normalization form. */
export const normalize = (text, form) => text.normalize(form);

/** Returns the name of a country in a language, or undefined if the code is that of no country. */
export const nameOfCountry = (code, language) =>
  new Intl.DisplayNames(language, { type: "region", fallback: "none" }).of(code);

// SubtleCrypto. It copies its arguments at once, so they may be views of wasm's memory.

export async function importKey(alg, jwk, usage) {
  const algorithm = ALGORITHMS[alg];
  return { algorithm, key: await subtle.importKey("jwk", JSON.parse(jwk), algorithm, false, [usage]) };
}

export const sign = async ({ algorithm, key }, message) => new Uint8Array(await subtle.sign(algorithm, key, message));

export const verify = ({ algorithm, key }, signature, message) => subtle.verify(algorithm, key, signature, message);

/** Generates an RSA key, and returns it as a private JWK. */
export async function generateRsa() {
  const { privateKey } = await subtle.generateKey(ALGORITHMS.RS256, true, ["sign", "verify"]);
  return JSON.stringify(await subtle.exportKey("jwk", privateKey));
}
