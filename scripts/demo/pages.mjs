// The demo's pages.

/** What the claims of an ID token mean, in the order in which they are shown. */
const MEANINGS = {
  iss: "who says all this",
  sub: "who signed in: this identifier never changes",
  aud: "whom it is meant for: this client",
  exp: "it is not to be accepted after",
  iat: "it was made at",
  auth_time: "the password was given at",
  nonce: "ties it to the request of this browser",
  acr: "how the sign-in was done",
  amr: "by which means",
  sid: "the session, as this client knows it",
  at_hash: "ties it to the access token",
};

const TIMES = ["exp", "iat", "auth_time", "updated_at"];

/** A piece of HTML: what stands in a template as text is escaped, what is a piece already is not. */
class Html extends String {}

function html(strings, ...values) {
  const write = (value) => {
    if (Array.isArray(value)) return value.map(write).join("");
    if (value instanceof Html) return value;
    return String(value ?? "").replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
  };
  return new Html(String.raw({ raw: strings }, ...values.map(write)));
}

const layout = (title, main, wide = "") => html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="stylesheet" href="/style.css">
</head>
<body class="${wide}">
<main>
${main}
</main>
</body>
</html>
`;

/** For whom nobody is signed in. */
export const SIGNED_OUT = layout("Postern demo", html`<h1>Postern demo</h1>
<p class="lead">An application that leaves signing in to your Postern, and shows what it gets.</p>
<p class="buttons"><a class="button primary" href="/sign-in">Sign in</a></p>`);

/** For whom a sign-in, or a refresh, came to nothing. */
export const stopped = ({ code, description }) => layout("Postern demo", html`
<h1>${code === "access_denied" ? "You are not signed in" : "That did not work"}</h1>
${trouble({ code, description })}
<p class="buttons"><a class="button primary" href="/sign-in">Sign in</a><a class="button" href="/">Back</a></p>`);

/** For who is signed in: all that the application knows of them. */
export function profile({ tokens, claims, userinfo, account }) {
  const name = userinfo.name ?? userinfo.preferred_username ?? claims.sub;
  return layout(`${name} – Postern demo`, html`<h1>Hello, <bdi class="name">${name}</bdi></h1>
<p class="lead">This is what the demo knows about you, by way of your Postern.</p>
<div class="actions">
<a class="button" href="/sign-in">Sign in again</a>
<a class="button" href="/sign-in?switch">Use another account</a>
${tokens.refresh_token && html`<form method="post" action="/refresh"><button>Refresh tokens</button></form>`}
<a class="button" href="${account}">Your account</a>
</div>
<section aria-labelledby="id-token">
<h2 id="id-token">ID token</h2>
<p class="small">Signed by the provider with ${header(tokens.id_token).alg}; the signature is verified.</p>
${table(inOrder(claims, Object.keys(MEANINGS)), MEANINGS)}
<details><summary>As it came</summary><code>${tokens.id_token}</code></details>
</section>
<section aria-labelledby="userinfo">
<h2 id="userinfo">Userinfo</h2>
<p class="small">Asked for just now, with the access token.</p>
${userinfo.error ? trouble(userinfo.error) : table(inOrder(userinfo, ["sub", "name"]))}
</section>
<section aria-labelledby="tokens">
<h2 id="tokens">Tokens</h2>
${table({
    scope: tokens.scope,
    "access token": "kept by the demo’s server; the browser never sees it",
    "refresh token": tokens.refresh_token ? "kept by the demo’s server; each use brings a new one" : "none",
  })}
</section>`, "wide");
}

/** The claims with these first. */
function inOrder(claims, first) {
  const names = new Set([...first.filter((name) => name in claims), ...Object.keys(claims)]);
  return Object.fromEntries([...names].map((name) => [name, claims[name]]));
}

const trouble = ({ code, description }) => html`<div class="notice error"><p>${description}</p>
${code && html`<p class="small">Error code: <code>${code}</code></p>`}</div>`;

const table = (claims, meanings = {}) => html`<dl class="claims">
${Object.entries(claims).map(([name, value]) => html`<div>
<dt><code>${name}</code>${meanings[name] && html`<span class="small">${meanings[name]}</span>`}</dt>
<dd>${shown(name, value)}</dd>
</div>
`)}</dl>`;

function shown(name, value) {
  if (TIMES.includes(name)) {
    const time = new Date(value * 1_000).toISOString();
    const [day, hour] = [time.slice(0, 10), time.slice(11, 19)];
    return html`<time datetime="${time}">${day} ${hour} UTC</time> <span class="small">${value}</span>`;
  }
  if (Array.isArray(value)) return value.join(", ");
  if (value !== null && typeof value === "object") return table(value);
  return value;
}

const header = (jws) => JSON.parse(Buffer.from(jws.split(".")[0], "base64url").toString());
