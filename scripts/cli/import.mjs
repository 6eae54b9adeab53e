// Loads any number of users, in requests of a size that the worker accepts.
import { setTimeout as sleep } from "node:timers/promises";
import { Outage } from "../operator_api.mjs";
import { refuseUtf16 } from "./input.mjs";

/** The bytes in one request, and in the longest line. The worker accepts bodies of up to a MiB. */
const CHUNK_BYTES = 256 * 1024;
const LINE_BYTES = 1_000_000;

/** The pauses before a chunk is sent again double from the first to the last, in milliseconds. */
const FIRST_PAUSE_MS = 1_000;
const LAST_PAUSE_MS = 4_000;

const BYTE_ORDER_MARK = Buffer.from("\ufeff");
const EMPTY = Buffer.alloc(0);
const NEWLINE = Buffer.from("\n");

/**
 * Loads the users of an NDJSON stream. Calls `onRefused` for each refused line with the reason, and `onProgress` with
 * the number of lines done.
 *
 * @param {import("../operator_api.mjs").OperatorRequest} request
 * @param {AsyncIterable<Buffer>} stream
 * @param {{ onRefused: (line: number, error: string) => void, onProgress: (lines: number) => void }} callbacks
 */
export async function importUsers(request, stream, { onRefused, onProgress }) {
  const total = { stored: 0, refused: 0 };
  let done = 0;
  for await (const chunk of chunks(stream)) {
    const report = await send(request, Buffer.concat(chunk.parts), done);
    const refused = [...chunk.refused, ...report.refused].sort((a, b) => a.line - b.line);
    for (const { line, error } of refused) onRefused(done + line, error);
    total.stored += report.stored;
    total.refused += refused.length;
    done += chunk.lines;
    onProgress(done);
  }
  return total;
}

/** Sends a chunk. Sends a later chunk again after an outage, which is safe because storing a user is idempotent. */
async function send(request, body, done) {
  for (let pause = FIRST_PAUSE_MS; ; pause *= 2) {
    try {
      return await request("POST", "/users", body);
    } catch (error) {
      if (done > 0 && error instanceof Outage && pause <= LAST_PAUSE_MS) {
        await sleep(pause);
        continue;
      }
      if (done > 0) error.message += `; the lines up to ${done} are done`;
      throw error;
    }
  }
}

/** Groups whole lines into chunks. A chunk exceeds CHUNK_BYTES only if its one line does. */
async function* chunks(stream) {
  const newChunk = () => ({ parts: [], bytes: 0, lines: 0, refused: [] });
  let chunk = newChunk();
  let isFirst = true;
  for await (let line of lines(stream)) {
    if (isFirst) {
      refuseUtf16(line);
      if (line.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK)) line = line.subarray(BYTE_ORDER_MARK.length);
      isFirst = false;
    }
    if (chunk.lines > 0 && chunk.bytes + line.length > CHUNK_BYTES) {
      yield chunk;
      chunk = newChunk();
    }
    chunk.lines += 1;
    if (line.length > LINE_BYTES) {
      chunk.refused.push({ line: chunk.lines, error: `longer than ${LINE_BYTES} bytes` });
      // Keeps the line numbers of the worker's report right.
      line = EMPTY;
    }
    chunk.bytes += line.length + NEWLINE.length;
    chunk.parts.push(line, NEWLINE);
  }
  if (chunk.lines > 0) yield chunk;
}

/** Splits a stream into lines. Of a line longer than LINE_BYTES it keeps only enough to show that it is too long. */
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
