// Fills a database with users and everything that belongs to them. SQL makes the rows, because a million users with five
// refresh tokens each would take too long one by one.
import { readFileSync, readdirSync } from "node:fs";

const MIGRATIONS = new URL("../migrations/", import.meta.url);

/** The clients, at every size. */
const CLIENTS = 1_000;
/** One user in this number is a user of the popular client, which the steps use. */
const POPULAR = 10;
/** One user in this number has a row in each table of rows that expire. */
const EXPIRING = 10;
/**
 * Expired rows at every size, and as many that are valid: more than a sweep deletes at once. A larger database has no more
 * expired rows, because the recording has as many sweeps for every size.
 */
const SWEPT = 2_000;
/** A page of the audit trail looks at so many events. */
const LISTED = 5_000;

const DAY = 86_400;

/** The subject of a user by number, which is the login too. */
export const subOf = (number) => `user-${String(number).padStart(7, "0")}`;
const SUB = "printf('user-%07d', n)";
/** A random text with the length of a SHA-256, and one with that of an id. Their order is that of base64url. */
const SIGN = "substr('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_', 1 + (random() & 63), 1)";
const HASH = `${SIGN} || ${SIGN} || substr(hex(randomblob(21)), 1, 41)`;
const ID = `${SIGN} || ${SIGN} || hex(randomblob(10))`;

const CLAIMS = `json_object('name', 'Person Number ' || n, 'given_name', 'Person', 'family_name', 'Number ' || n,
  'email', 'person.' || n || '@example.com', 'email_verified', json('true'), 'groups', json_array('staff', 'readers'))`;
const METADATA = JSON.stringify({
  application_type: "web", client_name: "An App", grant_types: ["authorization_code", "refresh_token"],
  id_token_signed_response_alg: "ES256", redirect_uris: ["https://app.example/cb"], require_auth_time: false,
  response_types: ["code"], token_endpoint_auth_method: "client_secret_basic",
});
const PARAMETERS = new URLSearchParams({
  client_id: "client-0000", redirect_uri: "https://app.example/cb", response_type: "code", scope: "openid email",
  state: "a state", nonce: "a nonce", code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
  code_challenge_method: "S256",
});

/** Applies every migration to an empty database. */
export function migrate(database) {
  // As wrangler records them.
  database.exec("CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE)");
  const record = database.prepare("INSERT INTO d1_migrations (name) VALUES (?)");
  for (const file of readdirSync(MIGRATIONS).sort()) {
    database.exec(readFileSync(new URL(file, MIGRATIONS), "utf8"));
    record.run(file);
  }
}

/** Fills a database by SQL, which is faster without journal, and without indexes if there are many rows. */
export function filling(database, work, { keepsIndexes = false } = {}) {
  const sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL";
  const indexes = keepsIndexes ? [] : database.prepare(sql).all();
  database.exec(`PRAGMA foreign_keys = OFF; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
    PRAGMA cache_size = -1000000; PRAGMA temp_store = MEMORY; BEGIN`);
  // An index is made faster from all rows than row by row.
  for (const { name } of indexes) database.exec(`DROP INDEX ${name}`);
  work(database);
  for (const { sql } of indexes) database.exec(/** @type {string} */ (sql));
  database.exec("COMMIT; PRAGMA journal_mode = WAL");
}

const text = (value) => `'${String(value).replaceAll("'", "''")}'`;
/** Inserts rows, whose values depend on `n`, from one number to another. In the order of the key, which is the first value. */
const insert = (database, table, columns, [from, to], values) => database.exec(`
  WITH RECURSIVE numbers (n) AS (SELECT ${from} UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ${to})
  INSERT INTO ${table} (${columns}) SELECT ${values} FROM numbers ORDER BY 1`);
/** Inserts `each` rows for each row of a table. */
const insertFor = (database, [source, each], table, columns, values) => database.exec(`
  WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ${each})
  INSERT INTO ${table} (${columns}) SELECT ${values} FROM ${source} JOIN numbers ORDER BY 1`);

/** Adds the operator's clients, but not the popular one. */
export const fillClients = (database, now) => insert(database, "clients",
  "client_id, metadata, secret_hash, trusted, created_at, updated_at", [0, CLIENTS],
  `printf('client-%04d', n), ${text(METADATA)}, ${HASH}, 0, ${now - DAY}, ${now - DAY}`);

/**
 * Adds the users of these numbers: for each a session with a client, a consent, and a grant with a code and five refresh tokens.
 *
 * @param {import("node:sqlite").DatabaseSync} database
 * @param {[number, number]} numbers
 * @param {{ popular: string, passwordHash: string, now: number }} contents
 */
export function fillUsers(database, numbers, { popular, passwordHash, now }) {
  const [from, to] = numbers;
  insert(database, "users", "sub, login, claims, password_hash, created_at, updated_at", numbers,
    `${SUB}, ${SUB}, ${CLAIMS}, ${text(passwordHash)}, ${now - DAY}, ${now - DAY}`);
  insert(database, "sessions", "id, cookie_hash, sub, auth_time, used_at", numbers,
    `${ID}, ${HASH}, ${SUB}, ${now - 60}, ${now - 60}`);
  insert(database, "grants", "id, sub, client_id, scope, created_at, session_id, sid, auth_time, claims", numbers,
    `${ID}, ${SUB}, iif(n % ${POPULAR} = 0, ${text(popular)}, printf('client-%04d', n % ${CLIENTS})),
     'openid offline_access', ${now - 60}, ${ID}, ${ID}, ${now - 60}, '{}'`);
  const sessions = `(SELECT id, sub, auth_time FROM sessions WHERE sub >= '${subOf(from)}' AND sub < '${subOf(to)}')`;
  insertFor(database, [sessions, 1], "session_clients", "session_id, client_id, sid, subject, signed_in_at",
    `id, ${text(popular)}, ${ID}, sub, auth_time`);
  const grants = `(SELECT id, sub, client_id, scope, created_at FROM grants WHERE sub >= '${subOf(from)}' AND sub < '${subOf(to)}')`;
  insertFor(database, [grants, 1], "consents", "sub, client_id, scope, claims, granted_at", "sub, client_id, scope, '', created_at");
  insertFor(database, [grants, 1], "codes",
    "code_hash, grant_id, redirect_uri, code_challenge, nonce, expires_at, spent_at, spent_by",
    `${HASH}, id, 'https://app.example/cb', ${HASH}, 'a nonce', created_at + 60, created_at + 1, ${ID}`);
  // All but the last one of a grant are spent.
  insertFor(database, [grants, 5], "refresh_tokens", "token_hash, grant_id, expires_at, spent_at",
    `${HASH}, id, created_at + ${30 * DAY}, iif(n = 4, NULL, created_at + n)`);
}

/** The kinds of rows that end, as a stranger can add them: each adds rows of these numbers, with the time of their end. */
export const STRANGERS_ROWS = {
  // Of known browsers, which share no set with others: how many counters the set of a step has would be chance.
  sign_in_attempts: (database, numbers, end) =>
    insert(database, "sign_in_attempts", "counter, failures, last_at, next_at", numbers, `'~' || ${HASH}, 1, ${end} - ${16 * DAY}, 0`),
  authorization_requests: (database, numbers, end) =>
    insert(database, "authorization_requests", "handle_hash, parameters, client_id, expires_at, slot", numbers,
      // In slots that no statement draws: how many of the drawn ones are taken would be chance.
      `${HASH}, ${text(PARAMETERS)}, 'client-0000', ${end}, 'client-0000/filled-' || n`),
  client_assertions: (database, numbers, end) =>
    insert(database, "client_assertions", "client_id, jti_hash, expires_at, used_by, slot", numbers,
      `printf('client-%04d', n % ${CLIENTS}), ${HASH}, ${end}, ${ID}, '/filled-' || n`),
  user_code_attempts: (database, numbers, end) =>
    insert(database, "user_code_attempts", "counter, wrong, began_at", numbers, `${HASH}, 1, ${end} - 3600`),
  revoked_tokens: (database, numbers, end) =>
    insert(database, "revoked_tokens", "jti, expires_at, slot", numbers, `${ID}, ${end}, 'revoked/filled-' || n`),
  initial_access_tokens: (database, numbers, end) =>
    insert(database, "initial_access_tokens", "token_hash, uses_left, expires_at, created_at", numbers, `${HASH}, 1, ${end}, ${end} - ${DAY}`),
  // Clients that registered themselves, and to which nobody has signed in.
  clients: (database, numbers, end) =>
    insert(database, "clients",
      "client_id, metadata, trusted, created_at, updated_at, registration_token_hash, expires_at, slot", numbers,
      `'registered-' || ${ID}, ${text(METADATA)}, 0, ${end} - ${DAY}, ${end} - ${DAY}, ${HASH}, ${end}, 'registration/filled-' || n`),
};

const EVENT_COLUMNS = "at, id, kind, actor, network, sub, client_id";

/** The same of users. A grant has a code and a refresh token. */
export const USERS_ROWS = {
  audit_events: (database, numbers, users, end) =>
    insert(database, "audit_events", EVENT_COLUMNS, numbers,
      `${end} - ${90 * DAY}, ${ID}, 'sign_in.succeeded', 'user', '192.0.2.0/24', printf('user-%07d', n % ${users}), 'client-0000'`),
  sessions: (database, numbers, users, end) =>
    insert(database, "sessions", "id, cookie_hash, sub, auth_time, used_at", numbers,
      `${ID}, ${HASH}, printf('user-%07d', n % ${users}), ${end} - ${14 * DAY}, ${end} - ${14 * DAY}`),
  ended_sessions: (database, numbers, users, end) =>
    insert(database, "ended_sessions", "end_id, session_id, sub, ended_at", numbers,
      `${ID}, ${ID}, printf('user-%07d', n % ${users}), ${end}`),
  grants(database, numbers, users, end) {
    insert(database, "grants", "id, sub, client_id, scope, created_at, session_id, sid, auth_time, claims", numbers,
      `'over-' || ${ID}, printf('user-%07d', n % ${users}), printf('client-%04d', n % ${CLIENTS}), 'openid offline_access',
       ${end} - ${30 * DAY}, ${ID}, ${ID}, ${end} - ${30 * DAY}, '{}'`);
    const grants = "(SELECT id, created_at FROM grants WHERE id >= 'over-' AND id < 'over.')";
    insertFor(database, [grants, 1], "codes", "code_hash, grant_id, redirect_uri, expires_at",
      `${HASH}, id, 'https://app.example/cb', created_at + 60`);
    insertFor(database, [grants, 1], "refresh_tokens", "token_hash, grant_id, expires_at", `${HASH}, id, created_at + ${30 * DAY}`);
  },
};

/**
 * Migrates an empty database and fills it: with users, and with rows that expire. The table `clients` does not get the
 * popular client.
 *
 * @param {import("node:sqlite").DatabaseSync} database
 * @param {{ users: number, popular: string, passwordHash: string, now: number }} contents
 */
export function fill(database, { users, popular, passwordHash, now }) {
  const few = Math.ceil(users / EXPIRING);
  migrate(database);
  filling(database, () => {
    fillUsers(database, [0, users], { popular, passwordHash, now });
    fillClients(database, now);
    insert(database, "pairwise_subjects", "sub, sector, subject", [0, few], `${SUB}, 'app.example', ${HASH}`);
    const end = `iif(n % 2 = 0 OR n >= ${2 * SWEPT}, ${now + DAY}, ${now - DAY})`;
    for (const add of Object.values(STRANGERS_ROWS)) add(database, [0, 2 * SWEPT + few], end);
    // At every size, because the status counts a thousand. None is due, so that each run of the maintenance does the same.
    insert(database, "logout_deliveries", "session_id, client_id, sid, subject, ended_at, next_try_at", [0, SWEPT],
      `${ID}, printf('client-%04d', n % 10), ${ID}, ${SUB}, ${now}, ${now + DAY / 6}`);
    // More than a page looks at, in a database of any size. Half of them are sign-ins.
    insert(database, "audit_events", EVENT_COLUMNS, [0, 2 * LISTED + users],
      `${now} - n, ${ID}, iif(n % 2 = 0, 'sign_in.failed', 'grant.revoked'), 'user', '192.0.2.0/24', ${SUB},
       iif(n % 2 = 0, ${text(popular)}, NULL)`);
    // The maintenance deletes them before the steps, whose users would have some at one size.
    for (const add of Object.values(USERS_ROWS)) add(database, [0, SWEPT], users, `${now - DAY} - n`);
  });
}

/** The bytes that a row of each table takes, with its indexes. */
export function bytesOfRows(database, rows) {
  const sizes = database.prepare(`SELECT tbl_name, sum(pgsize) AS bytes FROM dbstat JOIN sqlite_schema USING (name) GROUP BY tbl_name`);
  const bytes = new Map(sizes.all().map(({ tbl_name: table, bytes }) => [table, bytes]));
  return Object.fromEntries(Object.keys(rows).map((table) => [table, bytes.get(table) / rows[table]]));
}

/** The number of rows of each table. */
export function countRows(database) {
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT IN ('d1_migrations', 'sqlite_sequence')");
  return Object.fromEntries(tables.all().map(({ name }) =>
    [name, database.prepare(`SELECT count(*) AS rows FROM ${name}`).get().rows]));
}
