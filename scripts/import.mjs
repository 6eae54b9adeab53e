// The bulk load of users: any number of lines, in requests that the worker can take.
import { setTimeout as sleep } from "node:timers/promises";
import { Outage } from "./client.mjs";

/** What a request carries, and the longest line: the worker reads no more than a MiB. */
const CHUNK_BYTES = 256 * 1024;
const LINE_BYTES = 1_000_000;

const EMPTY = Buffer.alloc(0);
const NEWLINE = Buffer.from("\n");

/**
 * Loads the users of an NDJSON stream. `refuse` hears of every line that is refused, and why;
 * `progress` of how many lines are done.
 */
export async function importUsers(request, stream, { refuse, progress }) {
  const total = { stored: 0, refused: 0 };
  let done = 0;
  for await (const chunk of chunks(stream)) {
    const report = await send(request, Buffer.concat(chunk.parts), done);
    const refused = [...chunk.refused, ...report.refused].sort((a, b) => a.line - b.line);
    for (const { line, error } of refused) refuse(done + line, error);
    total.stored += report.stored;
    total.refused += refused.length;
    done += chunk.lines;
    progress(done);
  }
  return total;
}

/**
 * Sends a chunk; one in the midst of a load again, if the answer does not come: a user who is stored
 * twice is stored once.
 */
async function send(request, body, done) {
  for (let pause = 1_000; ; pause *= 2) {
    try {
      return await request("POST", "/users", body);
    } catch (error) {
      if (done > 0 && error instanceof Outage && pause < 8_000) {
        await sleep(pause);
        continue;
      }
      if (done > 0) error.message += `; the lines up to ${done} are done`;
      throw error;
    }
  }
}

/** Whole lines, together no more than a request carries, unless one alone is more. */
async function* chunks(stream) {
  const empty = () => ({ parts: [], bytes: 0, lines: 0, refused: [] });
  let chunk = empty();
  for await (let line of lines(stream)) {
    if (chunk.lines > 0 && chunk.bytes + line.length > CHUNK_BYTES) {
      yield chunk;
      chunk = empty();
    }
    chunk.lines += 1;
    if (line.length > LINE_BYTES) {
      chunk.refused.push({ line: chunk.lines, error: `longer than ${LINE_BYTES} bytes` });
      // The worker still has to count it.
      line = EMPTY;
    }
    chunk.bytes += line.length + NEWLINE.length;
    chunk.parts.push(line, NEWLINE);
  }
  if (chunk.lines > 0) yield chunk;
}

/** The lines of a stream; of one that is too long, as much as shows it. */
async function* lines(stream) {
  let parts = [];
  let size = 0;
  const keep = (part) => {
    if (size <= LINE_BYTES) parts.push(part);
    size += part.length;
  };
  for await (const data of stream) {
    let begin = 0;
    for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, begin)) {
      keep(data.subarray(begin, end));
      yield Buffer.concat(parts);
      parts = [];
      size = 0;
      begin = end + 1;
    }
    if (begin < data.length) keep(data.subarray(begin));
  }
  if (size > 0) yield Buffer.concat(parts);
}
