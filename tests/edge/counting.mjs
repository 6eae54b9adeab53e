// Runs in workerd, around the worker under test. Counts its D1 requests, the rows that D1 reports for them, and its KV
// operations. A GET of /test/counts returns the counts since the previous one.
import { deferredTasks, replacing } from "./deferred_tasks.mjs";

const KV_OPERATIONS = new Set(["delete", "get", "getWithMetadata", "list", "put"]);
const NOTHING = { requests: 0, rowsRead: 0, rowsWritten: 0, kv: 0 };

/** A worker that runs `worker` and counts. */
export function withCounting(worker) {
  let counts = { ...NOTHING };
  const deferred = deferredTasks();
  const originals = new WeakMap();

  /** Counts one request with these results: those of a statement, or of each statement of a batch. */
  const counted = (results) => {
    counts.requests += 1;
    for (const { meta } of results) {
      counts.rowsRead += meta.rows_read;
      counts.rowsWritten += meta.rows_written;
    }
    return results;
  };

  const countedStatement = (statement) => {
    const all = async () => counted([await statement.all()])[0];
    // These two return no `meta`, so they call `all`. The names of a statement's columns differ from each other.
    const raw = async () => (await all()).results.map(Object.values);
    const first = async (column) => {
      const [row = null] = (await all()).results;
      return column === undefined ? row : row?.[column];
    };
    const run = async () => counted([await statement.run()])[0];
    const bind = (...values) => countedStatement(statement.bind(...values));
    const proxy = replacing(statement, { all, bind, first, raw, run });
    originals.set(proxy, statement);
    return proxy;
  };

  const countedDatabase = (database) => replacing(database, {
    batch: async (statements) => counted(await database.batch(statements.map((one) => originals.get(one)))),
    prepare: (sql) => countedStatement(database.prepare(sql)),
    withSession: (constraint) => countedDatabase(database.withSession(constraint)),
  });

  const countedKv = (kv) => replacing(kv, Object.fromEntries([...KV_OPERATIONS].map((name) => [name, (...parameters) => {
    counts.kv += 1;
    return kv[name](...parameters);
  }])));

  // One for the isolate's life, as the platform's own env is.
  let countedEnv;
  return {
    async fetch(request, env, context) {
      countedEnv ??= { ...env, DB: countedDatabase(env.DB), KV: countedKv(env.KV) };
      if (new URL(request.url).pathname !== "/test/counts") return worker.fetch(request, countedEnv, deferred.watch(context));
      await deferred.ended();
      const report = counts;
      counts = { ...NOTHING };
      return Response.json(report);
    },
  };
}
