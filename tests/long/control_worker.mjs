// A worker without Postern: one batch of statements to D1 for each request.
const STATEMENTS = ["SELECT text FROM notes WHERE id = ?1", "INSERT OR REPLACE INTO notes (id, text) VALUES (?1, hex(randomblob(150)))"];

export default {
  async fetch(request, env) {
    const id = Number(new URL(request.url).searchParams.get("id"));
    const [{ results }] = await env.DB.batch(STATEMENTS.map((sql) => env.DB.prepare(sql).bind(id)));
    return Response.json(results);
  },
};
