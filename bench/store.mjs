// A separate process with D1 and KV for every contender, on loopback, with the protocol of workerd's bindings. Each
// contender has its own database and namespace, with the same rows. The process counts requests.
import { readFileSync, readdirSync } from "node:fs";
import http from "node:http";
import { DatabaseSync } from "node:sqlite";

const migrations = new URL("../migrations/", import.meta.url);
const stores = new Map();

/** No operations. `lists` are among the `reads`. */
const NOTHING = { d1: 0, statements: 0, reads: 0, writes: 0, lists: 0 };

/** The database, namespace and counts of one contender. */
class Store {
  counts = { ...NOTHING };
  /** The milliseconds before each response. */
  delays = { d1: 0, kv: 0 };
  texts = new Set();
  values = new Map();
  families = new Map();
  prepared = new Map();
  /** The D1 requests, if they are recorded. @type {any[]} */
  recorded = undefined;
  /** @type {Record<string, http.Server>} */
  servers = {};

  constructor() {
    this.database = new DatabaseSync(":memory:");
    for (const file of readdirSync(migrations).sort()) this.database.exec(readFileSync(new URL(file, migrations), "utf8"));
  }

  /** A statement with rows as lists. It is parsed once, as in D1. */
  prepare(sql) {
    let statement = this.prepared.get(sql);
    if (!statement) {
      statement = this.database.prepare(sql);
      statement.setReturnArrays(true);
      this.prepared.set(sql, statement);
    }
    return statement;
  }

  /** Runs one statement for many rows. */
  insert(sql, rows) {
    const statement = this.prepare(sql);
    this.atomically(() => { for (const row of rows) statement.all(...row); });
  }

  atomically(work) {
    this.database.exec("BEGIN");
    try {
      const result = work();
      this.database.exec("COMMIT");
      return result;
    } catch (error) {
      this.database.exec("ROLLBACK");
      throw error;
    }
  }

  /** Handles POST /query and /execute, as D1 does. */
  answerD1(url, body) {
    const { searchParams } = new URL(url, "http://d1");
    const isColumns = searchParams.get("resultsFormat") === "ROWS_AND_COLUMNS";
    const parsed = JSON.parse(body);
    const queries = Array.isArray(parsed) ? parsed : [parsed];
    this.counts.d1 += 1;
    this.counts.statements += queries.length;
    const recorded = [];
    const work = () => queries.map(({ sql, params }) => {
      this.texts.add(sql);
      const statement = this.prepare(sql);
      const columns = statement.columns().map(({ name }) => name);
      const rows = statement.all(...(params ?? []));
      recorded.push({ sql, params: params ?? [], rows: rows.length });
      const objects = () => rows.map((row) => Object.fromEntries(columns.map((name, index) => [name, row[index]])));
      return { success: true, results: isColumns ? { columns, rows } : objects(), meta: META };
    });
    try {
      const results = queries.length > 1 ? this.atomically(work) : work();
      this.recorded?.push({ isBatch: Array.isArray(parsed), queries: recorded });
      return JSON.stringify(results);
    } catch (error) {
      return JSON.stringify({ success: false, error: error.message });
    }
  }

  put(key, entry) {
    const family = familyOf(key);
    if (!this.families.has(family)) this.families.set(family, new Set());
    this.families.get(family).add(key);
    this.values.set(key, entry);
  }

  /** Handles GET, PUT and DELETE of a key, and the list, as KV does. */
  answerKv(method, url, headers, body) {
    const { pathname, searchParams } = new URL(url, "http://kv");
    const key = decodeURIComponent(pathname.slice(1));
    const metadata = "cf-kv-metadata";
    switch (method) {
      case "GET": {
        this.counts.reads += 1;
        if (key === "") {
          this.counts.lists += 1;
          return { status: 200, body: this.list(searchParams.get("prefix") ?? "") };
        }
        const entry = this.values.get(key);
        if (!entry) return { status: 404, body: "Not Found" };
        return { status: 200, body: entry.value, headers: entry.metadata && { [metadata]: entry.metadata } };
      }
      case "PUT":
        this.counts.writes += 1;
        this.put(key, { value: body, metadata: headers[metadata] });
        return { status: 200, body: "" };
      default:
        this.counts.writes += 1;
        this.values.delete(key);
        this.families.get(familyOf(key))?.delete(key);
        return { status: 200, body: "" };
    }
  }

  /** The keys with this prefix, which ends in the character that separates families of keys. */
  list(prefix) {
    const keys = [...(this.families.get(prefix) ?? [])].map((name) => ({ name }));
    return JSON.stringify({ keys, list_complete: true, cacheStatus: null });
  }
}

/** The prefix of a key. Families are indexed, so that the cost of a list does not depend on other keys. */
const familyOf = (key) => key.slice(0, key.indexOf("\x1f") + 1);

const META = {
  served_by: "bench", served_by_primary: true, duration: 0, changes: 0, last_row_id: 0, changed_db: false,
  size_after: 0, rows_read: 0, rows_written: 0,
};
const BOOKMARK = "00000001-00000001-00000001-00000000000000000000000000000001";

/** Starts a server. `respond` returns the status, headers and body for a request, `delay` the milliseconds to wait. */
function listen(respond, delay) {
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const { status, headers, body } = respond(request, Buffer.concat(chunks));
      const send = () => response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) }).end(body);
      const milliseconds = delay();
      if (milliseconds === 0) send();
      else setTimeout(send, milliseconds);
    });
  });
  server.keepAliveTimeout = 0;
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

const commands = {
  async open({ name }) {
    const store = new Store();
    stores.set(name, store);
    const d1Headers = { "content-type": "application/json", "x-cf-d1-session-commit-token": BOOKMARK };
    store.servers = {
      d1: await listen(({ url }, body) => ({ status: 200, headers: d1Headers, body: store.answerD1(url, body) }),
        () => store.delays.d1),
      kv: await listen(({ method, url, headers }, body) => store.answerKv(method, url, headers, body),
        () => store.delays.kv),
    };
    const { d1, kv } = store.servers;
    const port = (server) => server.address().port;
    return { d1: port(d1), kv: port(kv) };
  },
  close({ name }) {
    const { servers, database } = stores.get(name);
    for (const server of Object.values(servers)) {
      server.close();
      server.closeAllConnections();
    }
    database.close();
    stores.delete(name);
  },
  insert({ name, sql, rows }) {
    stores.get(name).insert(sql, rows);
  },
  execute({ name, sql }) {
    stores.get(name).database.exec(sql);
  },
  copy({ name, from, tables }) {
    for (const table of tables) {
      const rows = stores.get(from).prepare(`SELECT * FROM ${table}`).all();
      if (rows.length > 0) stores.get(name).insert(`INSERT INTO ${table} VALUES (${rows[0].map(() => "?").join(", ")})`, rows);
    }
  },
  put({ name, key, value }) {
    stores.get(name).put(key, { value });
  },
  delay({ name, d1, kv }) {
    stores.get(name).delays = { d1, kv };
  },
  record({ name }) {
    stores.get(name).recorded = [];
  },
  recorded: ({ name }) => stores.get(name).recorded,
  stopRecording({ name }) {
    stores.get(name).recorded = undefined;
  },
  value: ({ name, key }) => stores.get(name).values.get(key)?.value.toString(),
  /** The counts and the texts of statements since the last call. */
  take({ name }) {
    const store = stores.get(name);
    const taken = { ...store.counts, texts: [...store.texts] };
    store.counts = { ...NOTHING };
    store.texts.clear();
    return taken;
  },
};

async function run({ id, command, ...parameters }) {
  try {
    process.send({ id, result: await commands[command](parameters) });
  } catch (error) {
    process.send({ id, error: error.message });
  }
}

process.on("message", (/** @type {any} */ message) => void run(message));
process.on("disconnect", () => process.exit());
