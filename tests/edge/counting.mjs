// Runs in workerd, around the worker under test. Counts its D1 requests, the rows that D1 reports for them, and its KV
// operations. A GET of /test/counts returns the counts since the previous one, and the statements of each D1 request.
import { deferredTasks, replacing } from "./deferred_tasks.mjs";

const KV_OPERATIONS = new Set(["delete", "get", "getWithMetadata", "list", "put"]);

/** The counts of nothing. `statements` has a list for each D1 request. */
const nothing = () => ({ requests: 0, rowsRead: 0, rowsWritten: 0, kv: 0, statements: [] });

/** A worker that runs `worker` and counts. */
export function withCounting(worker) {
  let counts = nothing();
  const deferred = deferredTasks();
  /** The statement, the text and the parameters of each proxy. */
  const originals = new WeakMap();

  /** Counts one request with these results: those of a statement, or of each statement of a batch. */
  const counted = (queries, results) => {
    counts.requests += 1;
    counts.statements.push(results.map(({ results: { length }, meta }, index) => {
      counts.rowsRead += meta.rows_read;
      counts.rowsWritten += meta.rows_written;
      return { ...queries[index], rows: length, rowsRead: meta.rows_read, rowsWritten: meta.rows_written };
    }));
    return results;
  };

  const countedStatement = (statement, query) => {
    const all = async () => counted([query], [await statement.all()])[0];
    // These two return no `meta`, so they call `all`. The names of a statement's columns differ from each other.
    const raw = async () => (await all()).results.map(Object.values);
    const first = async (column) => {
      const [row = null] = (await all()).results;
      return column === undefined ? row : row?.[column];
    };
    const run = async () => counted([query], [await statement.run()])[0];
    const bind = (...params) => countedStatement(statement.bind(...params), { ...query, params });
    const proxy = replacing(statement, { all, bind, first, raw, run });
    originals.set(proxy, { statement, query });
    return proxy;
  };

  const countedDatabase = (database) => replacing(database, {
    async batch(proxies) {
      const batch = proxies.map((proxy) => originals.get(proxy));
      return counted(batch.map(({ query }) => query), await database.batch(batch.map(({ statement }) => statement)));
    },
    prepare: (sql) => countedStatement(database.prepare(sql), { sql, params: [] }),
    withSession: (constraint) => countedDatabase(database.withSession(constraint)),
  });

  const countedKv = (kv) => replacing(kv, Object.fromEntries([...KV_OPERATIONS].map((name) => [name, (...parameters) => {
    counts.kv += 1;
    return kv[name](...parameters);
  }])));

  // One for the isolate's life, as the platform's own env is.
  let countedEnv;
  const counting = (env) => {
    countedEnv ??= { ...env, DB: countedDatabase(env.DB), KV: countedKv(env.KV) };
    return countedEnv;
  };
  return {
    scheduled: (event, env, context) => worker.scheduled(event, counting(env), context),
    async fetch(request, env, context) {
      if (new URL(request.url).pathname !== "/test/counts") return worker.fetch(request, counting(env), deferred.watch(context));
      await deferred.ended();
      const report = counts;
      counts = nothing();
      return Response.json(report);
    },
  };
}
