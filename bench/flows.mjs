// Whole flows of a user and of a client, with the requests one after the other.
import { Failure } from "../scripts/steps.mjs";
import { Browser } from "./browser.mjs";
import { authorizePath, redemption, route } from "./routes.mjs";

export const FLOWS = {
  first: "sign-in with consent", again: "sign-in again, with a session", userinfo: "userinfo, token never seen",
  refresh: "refresh",
};

/** Does every flow once for each user, who must sign in for the first time. Returns the figures of each. */
export async function walk(target, users) {
  const taken = { first: [], again: [], userinfo: [], refresh: [] };
  const { signIn, routes } = target.contender;
  for (const user of users) {
    if (signIn) {
      const browser = new Browser(target.worker.port);
      for (const name of ["first", "again"]) {
        taken[name].push(await measured(target, browser, () => signInOnce(target, browser, user)));
      }
      browser.close();
    }
    for (const [key, name] of [["userinfo", "userinfo-new"], ["refresh", "refresh"]]) {
      if (!routes.includes(name)) continue;
      const browser = new Browser(target.worker.port);
      const [bytes] = target.requests(route(name), 1);
      taken[key].push(await measured(target, browser, () => succeed(browser, bytes)));
      browser.close();
    }
  }
  return taken;
}

/** From the first request to the tokens. */
async function signInOnce(target, browser, user) {
  const { fill } = target.contender.signIn;
  const code = await browser.authorize(authorizePath(target, "state"), (names) => fill(names, user));
  await succeed(browser, redemption(target, code));
}

async function succeed(browser, bytes) {
  const { status, body } = await browser.send(() => bytes);
  if (status !== 200) throw new Failure(`${status} ${body}`);
}

/** The milliseconds in flight and of CPU, the requests and the operations of a flow. */
async function measured(target, browser, work) {
  const before = { ms: browser.inFlight, requests: browser.requests, cpu: target.worker.cpu() };
  await target.store.take();
  await work();
  const cpu = (target.worker.cpu() - before.cpu) / 1000;
  const { d1, reads, writes, lists } = await target.store.take();
  return { ms: browser.inFlight - before.ms, requests: browser.requests - before.requests, cpu, d1, reads, writes, lists };
}
