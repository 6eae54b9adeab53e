// What would cost too much through `worker`: each function does all of its work in one crossing from wasm to
// JavaScript, where `worker` crosses for each parameter, field and value. What takes time is asynchronous, so that
// it never throws, and returns a text wherever it can: rows and keys cross as JSON.
const { subtle } = crypto;

/** What SubtleCrypto must be told of an algorithm, to generate, import, sign and verify alike. */
const ALGORITHMS = {
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  RS256: {
    name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]),
  },
  // Clients' alone.
  EdDSA: { name: "Ed25519" },
  PS256: { name: "RSA-PSS", hash: "SHA-256", saltLength: 32 },
};

/** Polls a task with what came of each promise that it waited for, until it has its value. */
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

/** Only the message: what JavaScript prints of an error carries stacks and paths. */
const message = (error) => (error instanceof Error ? error.message : typeof error === "string" ? error : "no message");

// Requests and responses.

export const head = (request) => `${request.method} ${request.url}`;

export const header = (request, name) => request.headers.get(name);

/** The body, or null where it has more bytes than the limit: no more is read than is needed to know. */
export async function body(request, limit) {
  // HTTP holds the sender to the length that it names.
  if (Number(request.headers.get("content-length") ?? "unknown") <= limit) {
    const whole = new Uint8Array(await request.arrayBuffer());
    return whole.length > limit ? null : whole;
  }
  return read(request.body, limit);
}

/** What a stream has, or null where that is more bytes than the limit. */
async function read(stream, limit) {
  const reader = stream?.getReader();
  const chunks = [];
  let length = 0;
  for (let chunk; reader && (chunk = (await reader.read()).value);) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > limit) {
      // What is left is not waited for.
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

/** Header fields that come again, as they were last sent. */
const recurringHeaders = new Map();

/** `fields` are names and values in turn, a line each. */
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
    // An object holds a name once; cookies come one by one.
    if (lines[line] === "set-cookie") cookies.push(lines[line + 1]);
    else headers[lines[line]] = lines[line + 1];
  }
  const response = new Response(body, { status, headers });
  for (const cookie of cookies) response.headers.append("set-cookie", cookie);
  if (isRecurring) {
    if (recurringHeaders.size >= 32) recurringHeaders.clear();
    recurringHeaders.set(fields, new Headers(headers));
  }
  return response;
}

// What clients let us fetch.

/**
 * A document as JSON. The limits hold for what was unpacked, and for the whole of it: a length that the server
 * names says nothing of either.
 */
export async function fetchDocument(url, accept, limit, timeout, isBinary) {
  const signal = AbortSignal.timeout(timeout);
  const response = await fetch(url, { redirect: "manual", headers: { accept, "user-agent": "Postern" }, signal });
  const bytes = await read(response.body, limit);
  if (bytes === null) throw new Error(`it has more than ${limit} bytes`);
  const text = isBinary
    ? btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))
    : new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  const [type] = (response.headers.get("content-type") ?? "").split(";");
  return JSON.stringify({ status: response.status, media_type: type.trim().toLowerCase(), text });
}

// The bindings.

// Without a session, D1 asks the primary.
const nearest = (database) => database.withSession("first-unconstrained");

const prepared = (database, { sql, parameters }) => database.prepare(sql).bind(...parameters);

/** The rows of one statement. */
export const query = async (database, isPrimary, statement) =>
  JSON.stringify(await prepared(isPrimary ? database : nearest(database), JSON.parse(statement)).raw());

/** The rows of each of some statements. */
export async function batch(database, statements) {
  const results = await database.batch(JSON.parse(statements).map((statement) => prepared(database, statement)));
  // Objects keep their columns in the order in which the statement names them.
  return JSON.stringify(results.map(({ results }) => (results ?? []).map((row) => Object.values(row))));
}

export const isWithinLimit = async (limiter, key) => (await limiter.limit({ key })).success;

// SubtleCrypto. It takes its copy of the bytes that it is given, which lie in wasm's memory, at once.

export async function importKey(alg, jwk, usage) {
  const algorithm = ALGORITHMS[alg];
  return { algorithm, key: await subtle.importKey("jwk", JSON.parse(jwk), algorithm, false, [usage]) };
}

export const sign = async ({ algorithm, key }, message) => new Uint8Array(await subtle.sign(algorithm, key, message));

export const verify = ({ algorithm, key }, signature, message) => subtle.verify(algorithm, key, signature, message);

/** A new RSA key as a private JWK. */
export async function generateRsa() {
  const { privateKey } = await subtle.generateKey(ALGORITHMS.RS256, true, ["sign", "verify"]);
  return JSON.stringify(await subtle.exportKey("jwk", privateKey));
}
