// Sends requests as bytes over a fixed number of persistent connections. Each connection sends its next request as soon
// as it has the response.
import { once } from "node:events";
import net from "node:net";
import { Failure } from "../scripts/steps.mjs";
import { HOST } from "./fixtures.mjs";

/** The header that makes a worker's request URL begin with https, as it does on the platform. */
export const FORWARDED_PROTO = "x-forwarded-proto";
const FORWARDED = { [FORWARDED_PROTO]: "https" };

/** A request as bytes. */
export function request(method, path, headers = {}, body = "") {
  const length = body === "" ? {} : { "content-length": Buffer.byteLength(body) };
  const lines = Object.entries({ host: HOST, ...FORWARDED, ...headers, ...length }).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
}

/** Parses the text of one response. Returns undefined while it is incomplete. */
function parse(text) {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const head = text.slice(0, end);
  const status = Number(head.slice(9, 12));
  const rest = text.slice(end + 4);
  const [, length] = head.match(/\r\ncontent-length: *(\d+)/i) ?? [];
  if (length !== undefined) return rest.length >= Number(length) ? { status, head, body: rest } : undefined;
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
    return rest.endsWith("0\r\n\r\n") ? { status, head, body: unchunk(rest) } : undefined;
  }
  return { status, head, body: "" };
}

function unchunk(text) {
  let body = "";
  for (let at = 0; ;) {
    const line = text.indexOf("\r\n", at);
    const size = parseInt(text.slice(at, line), 16);
    if (size === 0) return body;
    body += text.slice(line + 2, line + 2 + size);
    at = line + 2 + size + 2;
  }
}

/** The time after which a worker that sends nothing fails, in milliseconds. */
export const PATIENCE = 20_000;

/**
 * One connection. It opens at its first use, and again if the worker closed it while it was idle, as workerd does after
 * 15 seconds. `send` resolves with the response, whose body is bytes as Latin-1. It rejects if the worker closes the
 * connection instead of responding, or sends nothing for `patience` milliseconds.
 */
class Connection {
  constructor(port, patience = PATIENCE) {
    this.port = port;
    this.patience = patience;
  }

  async open() {
    if (this.socket) return;
    const socket = net.connect(this.port, "127.0.0.1").setNoDelay(true).setEncoding("latin1");
    // Each request begins the time anew. An idle connection has nothing to wait for.
    socket.setTimeout(this.patience).on("timeout", () => {
      if (this.reject || socket.connecting) {
        socket.destroy(new Failure(`no response for ${this.patience / 1000} s`));
      }
    });
    await once(socket, "connect");
    this.socket = socket;
    this.text = "";
    this.responses = 0;
    const end = (error) => {
      if (this.socket !== socket) return;
      this.socket = undefined;
      socket.destroy();
      this.reject?.(error ?? new Closed("the worker closed the connection"));
    };
    socket.on("error", (error) => end(isReset(error) ? undefined : error)).on("end", () => end()).on("close", () => end());
    socket.on("data", (text) => {
      this.text += text;
      const response = parse(this.text);
      if (response) {
        this.text = "";
        this.responses += 1;
        this.reject = undefined;
        this.resolve(response);
      }
    });
  }

  async send(bytes) {
    const isReused = this.socket && this.responses > 0;
    try {
      return await this.sendOnce(bytes);
    } catch (error) {
      // The worker can close an idle connection at the moment of the next request (RFC 9112 section 9.3.1).
      if (isReused && error instanceof Closed && this.text === "") return this.sendOnce(bytes);
      throw error;
    }
  }

  async sendOnce(bytes) {
    await this.open();
    return new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = (error) => { this.reject = undefined; reject(error); };
      this.socket.write(bytes);
    });
  }

  close() {
    this.reject = undefined;
    this.socket?.destroy();
  }
}

/** The connection ended without an error of its own. */
class Closed extends Failure {}

const isReset = (error) => ["ECONNRESET", "EPIPE"].includes(error.code);

/** A connection to a worker. */
export const connect = (port) => new Connection(port);

/** Sends one request. Returns the status, the head and the body. */
export async function send(port, bytes) {
  const connection = new Connection(port);
  try {
    const response = await connection.send(bytes);
    return { ...response, body: Buffer.from(response.body, "latin1").toString() };
  } finally {
    connection.close();
  }
}

/** The connections to one worker, which persist over the rounds. */
export class Load {
  constructor(port, connections, patience = PATIENCE) {
    this.connections = Array.from({ length: connections }, () => new Connection(port, patience));
  }

  /** Sends all requests. Fails if a response has another status. Returns the seconds, and each latency in ms. */
  async run(requests, status) {
    const latencies = new Float64Array(requests.length);
    let next = 0;
    await Promise.all(this.connections.map((connection) => connection.open()));
    const begin = performance.now();
    await Promise.all(this.connections.map(async (connection) => {
      while (next < requests.length) {
        const number = next++;
        const sent = performance.now();
        const response = await connection.send(requests[number]);
        latencies[number] = performance.now() - sent;
        if (response.status !== status) {
          throw new Failure(`status ${response.status} instead of ${status}: ${response.head}\n\n${response.body}`);
        }
      }
    }));
    return { seconds: (performance.now() - begin) / 1000, latencies };
  }

  close() {
    for (const connection of this.connections) connection.close();
  }
}
