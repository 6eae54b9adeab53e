// The ports of this machine.
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { Failure } from "./steps.mjs";

/** The addresses of `localhost`: a worker may listen at either. */
const LOOPBACK = ["127.0.0.1", "::1"];

/** Fails if something listens at a port. */
export async function checkPort(port) {
  const release = await holdPort(port);
  await release();
}

/** Listens at a port so that no other program gets it. Returns a function that releases it. Fails if it is taken. */
export async function holdPort(port) {
  // Not every system refuses one address to us where another program listens at all addresses.
  if (await isAnswered(port)) throw taken(port);
  const servers = [];
  const release = () => Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  for (const host of LOOPBACK) {
    const server = createServer((socket) => socket.destroy()).unref();
    const error = await once(server.listen({ port, host }), "listening").then(() => undefined, (error) => error);
    if (!error) servers.push(server);
    // A machine without IPv6 has one address only.
    else if (!["EADDRNOTAVAIL", "EAFNOSUPPORT"].includes(error.code)) {
      await release();
      throw error.code === "EADDRINUSE" ? taken(port) : new Failure(`port ${port} cannot be used: ${error.message}`);
    }
  }
  return release;
}

/** The failure of a program whose port another program has. */
export function taken(port) {
  return new Failure(`port ${port} is taken: end what listens there, or choose another with PORT=…`);
}

async function isAnswered(port) {
  const socket = connect({ port, host: "localhost" });
  const isConnected = await once(socket, "connect").then(() => true, () => false);
  socket.destroy();
  return isConnected;
}
