// Controls the process of store.mjs: opens and fills stores, and reads their counts.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Failure } from "../scripts/steps.mjs";
import {
  claimsOf, clientRow, codeOf, grantOf, hash, keyRows, now, refreshTokenOf, subOf, CLIENT, PASSWORD_HASH, SCOPE,
} from "./fixtures.mjs";

const USERS = "INSERT INTO users (sub, login, claims, password_hash, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)";
const GRANTS = "INSERT INTO grants (id, sub, client_id, scope, created_at, auth_time) VALUES (?, ?, ?, ?, ?, ?)";
const CLIENTS = "INSERT INTO clients (client_id, metadata, secret_hash, trusted, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)";
const KEYS = `INSERT INTO signing_keys
  (kid, alg, public_jwk, sealed_private, publish_from, sign_from, sign_until, retire_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
const CODES = "INSERT INTO codes (code_hash, grant_id, redirect_uri, code_challenge, nonce, expires_at) VALUES (?, ?, ?, ?, ?, ?)";
const REFRESH_TOKENS = "INSERT INTO refresh_tokens (token_hash, grant_id, expires_at) VALUES (?, ?, ?)";
const AT_ONCE = 10_000;

/**
 * The content of a database: the keys, the client, the users with one grant each, codes and refresh tokens. Each entry
 * is a statement, the number of its rows, and a function from a number to a row.
 */
export function rowsOf({ users, redeemable = 0, otherKeys = 0 }) {
  const at = now() - 60;
  const keys = keyRows(otherKeys);
  return [
    [KEYS, keys.length, (number) => keys[number]],
    [CLIENTS, 1, clientRow],
    [USERS, users, (user) => [subOf(user), subOf(user), JSON.stringify(claimsOf(user)), PASSWORD_HASH, at, at]],
    [GRANTS, users, (user) => [grantOf(user), subOf(user), CLIENT.id, SCOPE, at, at]],
    [CODES, redeemable, (number) => [
      hash(codeOf(number)), grantOf(number % users), CLIENT.redirectUri, CLIENT.challenge, "nonce", at + 86_400,
    ]],
    [REFRESH_TOKENS, redeemable, (number) =>
      [hash(refreshTokenOf(number)), grantOf(number % users), at + 86_400]],
  ];
}

/** Starts the process. `open(name)` creates a store. `close()` ends the process. */
export function startStores() {
  const child = fork(fileURLToPath(new URL("store.mjs", import.meta.url)), { execArgv: ["--no-warnings"] });
  const waiting = new Map();
  let next = 0;
  child.on("message", (/** @type {any} */ { id, result, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(new Failure(`the bench's database: ${error}`));
  });
  child.on("exit", (code) => {
    for (const { reject } of waiting.values()) reject(new Failure(`the bench's database ended with ${code}`));
  });
  const send = (command, parameters) => new Promise((resolve, reject) => {
    waiting.set(++next, { resolve, reject });
    child.send({ id: next, command, ...parameters });
  });

  async function open(name) {
    const ports = await send("open", { name });
    const insert = async (sql, count, row) => {
      for (let begin = 0; begin < count; begin += AT_ONCE) {
        const length = Math.min(AT_ONCE, count - begin);
        await send("insert", { name, sql, rows: Array.from({ length }, (_, index) => row(begin + index)) });
      }
    };
    return {
      ports,
      put: (key, value) => send("put", { name, key, value }),
      value: (key) => send("value", { name, key }),
      take: () => send("take", { name }),
      /** Delays each response of D1 and of KV by this many milliseconds. */
      delay: (d1, kv) => send("delay", { name, d1, kv }),
      /** Starts to record D1 requests, anew. `recorded` returns them. */
      record: () => send("record", { name }),
      recorded: () => send("recorded", { name }),
      stopRecording: () => send("stopRecording", { name }),
      close: () => send("close", { name }),
      /** Runs statements that create tables. */
      execute: (sql) => send("execute", { name, sql }),
      insert,
      /** Copies the rows of these tables from another store. */
      copy: (from, tables) => send("copy", { name, from, tables }),
      async fill(contents) {
        for (const [sql, count, row] of rowsOf(contents)) await insert(sql, count, row);
      },
    };
  }
  return { open, close: () => child.disconnect() };
}
