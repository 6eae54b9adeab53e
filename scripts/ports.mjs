// Finds out whether a port of this machine is free, and reserves it.
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { Failure } from "./steps.mjs";

/** The addresses of `localhost`. A worker may listen at either. */
const LOOPBACK = ["127.0.0.1", "::1"];

/**
 * Fails if a program listens at a port.
 *
 * @param {number} port
 */
export async function checkPort(port) {
  const release = await holdPort(port);
  await release();
}

/**
 * Listens at a port so that no other program gets it. Returns a function that releases it. Fails if the port is in
 * use.
 *
 * @param {number} port
 */
export async function holdPort(port) {
  // Some systems allow us to listen at one address while another program listens at all addresses.
  if (await acceptsConnections(port)) throw portInUse(port);
  const servers = [];
  const release = async () => {
    await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  };
  for (const host of LOOPBACK) {
    const server = createServer((socket) => socket.destroy()).unref();
    const error = await once(server.listen({ port, host }), "listening").then(() => undefined, (error) => error);
    if (!error) servers.push(server);
    // A machine without IPv6 has one address only.
    else if (!["EADDRNOTAVAIL", "EAFNOSUPPORT"].includes(error.code)) {
      await release();
      const isInUse = error.code === "EADDRINUSE";
      throw isInUse ? portInUse(port) : new Failure(`port ${port} cannot be used: ${error.message}`);
    }
  }
  return release;
}

/**
 * Returns the failure for a port that another program uses.
 *
 * @param {number} port
 */
export function portInUse(port) {
  return new Failure(`port ${port} is in use: stop the program there, or choose another port with PORT=…`);
}

async function acceptsConnections(port) {
  const socket = connect({ port, host: "localhost" });
  const isConnected = await once(socket, "connect").then(() => true, () => false);
  socket.destroy();
  return isConnected;
}
