// The demo's pages.

/** The meaning of each claim of an ID token, in the order of the page. */
const MEANINGS = {
  iss: "the issuer: your Postern",
  sub: "the user: this identifier never changes",
  aud: "the audience: this client",
  exp: "the time when it expires",
  iat: "the time when it was issued",
  auth_time: "the time when the user entered the password",
  nonce: "the value from this browser’s request",
  acr: "the class of the authentication",
  amr: "the methods of the authentication",
  sid: "the session, by an identifier for this client only",
  at_hash: "a hash of the access token",
};

const TIMES = ["exp", "iat", "auth_time", "updated_at"];

/** HTML. A template escapes each value that is not of this class. */
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

/** The page without a session. */
export const SIGNED_OUT = layout("Postern demo", html`<h1>Postern demo</h1>
<p class="lead">An application whose users sign in with your Postern. It shows the claims that it gets.</p>
<div class="buttons"><a class="button primary" href="/sign-in">Sign in</a></div>
<form method="post" action="/device"><button>Sign in on a device without a browser</button></form>`);

/** A QR code as a picture: the modules of each row that are dark. */
function qrCode({ size, data }) {
  const row = (modules, y) => modules.map((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : "")).join("");
  return html`<svg class="qr" viewBox="0 0 ${size} ${size}" role="img" aria-label="QR code with the link">
<rect width="${size}" height="${size}" fill="#fff"></rect><path d="${data.map(row).join("")}"></path></svg>`;
}

/** The screen of a device that waits for its user. It is loaded again until the user has decided. */
export const deviceWaiting = ({ user_code: code, verification_uri: url, verification_uri_complete: link }, qr) =>
  layout("A device – Postern demo", html`<h1>Sign in on another device</h1>
<p class="lead">This page is the screen of a television, say. Scan the QR code with a phone, or open
<a href="${url}" target="_blank">${url}</a> and type</p>
<p class="code">${code}</p>
${qrCode(qr)}
<p class="small"><a href="${link}" target="_blank">The link of the QR code</a> also works in another tab.
This page shows the result by itself.</p>
<form method="post" action="/device"><button>New code</button></form>`);

/** The screen of a device whose user has allowed the request. */
export const deviceTokens = ({ tokens, claims, userinfo }) => layout("A device – Postern demo", html`
<h1>The device is signed in</h1>
${summary(claims, userinfo)}
<form method="post" action="/device"><button>Sign in again</button></form>
<section aria-labelledby="id-token">
<h2 id="id-token">ID token</h2>
${table(inOrder(claims, Object.keys(MEANINGS)), MEANINGS)}
</section>
<section aria-labelledby="userinfo">
<h2 id="userinfo">Userinfo</h2>
${userinfo.error ? errorNotice(userinfo.error) : table(inOrder(userinfo, ["sub", "name"]))}
</section>
<section aria-labelledby="tokens">
<h2 id="tokens">Tokens</h2>
${table({
  scope: tokens.scope,
  "access token": "stored on the device",
  "refresh token": tokens.refresh_token ? "stored on the device; each use rotates it" : "none",
})}
</section>`, "wide");

/** The page after a user has signed out. */
export const LEFT = layout("Postern demo", html`<h1>You are signed out</h1>
<p class="lead">The demo has ended its session and revoked its tokens, and your Postern has signed you out in this browser.</p>
<p class="buttons"><a class="button primary" href="/sign-in">Sign in again</a></p>`);

/**
 * The page after a sign-in or a refresh that failed.
 *
 * @param {{ code?: string, description: string }} error
 */
export const failed = ({ code, description }) => layout("Postern demo", html`
<h1>${code === "access_denied" ? "You chose not to allow it" : "That did not work"}</h1>
${code === "access_denied" ? html`<p class="lead">The demo has learned nothing about you, and you are not signed in.</p>` : ""}
${errorNotice({ code, description })}
<p class="buttons"><a class="button primary" href="/sign-in">Sign in</a><a class="button" href="/">Back</a></p>`);

/**
 * The page of a signed-in user: everything that the application knows about the user.
 *
 * @param {{ tokens: any, claims: any, userinfo: any, account: string }} session
 */
export function profile({ tokens, claims, userinfo, account }) {
  const name = userinfo.name ?? userinfo.preferred_username ?? claims.sub;
  return layout(`${name} – Postern demo`, html`<h1>Hello, <bdi class="name">${name}</bdi></h1>
${summary(claims, userinfo)}
<div class="actions">
<a class="button" href="/sign-in">Sign in again</a>
<a class="button" href="/sign-in?switch">Use another account</a>
${tokens.refresh_token && html`<form method="post" action="/refresh"><button>Refresh tokens</button></form>
<form method="post" action="/revoke"><button>Revoke tokens</button></form>`}
<a class="button" href="${account}">Your account</a>
<form method="post" action="/sign-out"><button>Sign out</button></form>
</div>
<section aria-labelledby="id-token">
<h2 id="id-token">ID token</h2>
<p class="small">The provider signed it with ${header(tokens.id_token).alg}, and the demo verified the signature.</p>
${table(inOrder(claims, Object.keys(MEANINGS)), MEANINGS)}
<details><summary>The encoded token</summary><code>${tokens.id_token}</code></details>
</section>
<section aria-labelledby="userinfo">
<h2 id="userinfo">Userinfo</h2>
<p class="small">Fetched just now, with the access token.</p>
${userinfo.error ? errorNotice(userinfo.error) : table(inOrder(userinfo, ["sub", "name"]))}
</section>
<section aria-labelledby="tokens">
<h2 id="tokens">Tokens</h2>
${table({
    scope: tokens.scope,
    "access token": "stored on the demo’s server; the browser never gets it",
    "refresh token": tokens.refresh_token ? "stored on the demo’s server; each use rotates it" : "none",
  })}
</section>`, "wide");
}

/** What most applications make of the claims. */
function summary(claims, userinfo) {
  const { email, email_verified: verified, groups } = userinfo;
  const rows = {
    ...(email && { "E-mail address": verified ? email : `${email} (not verified)` }),
    ...(groups?.length && { Groups: groups.join(", ") }),
    ...(claims.auth_time && { "Signed in since": clock(claims.auth_time) }),
  };
  return html`<dl class="summary">${Object.entries(rows).map(([name, value]) => html`
<div><dt>${name}</dt><dd>${value}</dd></div>`)}
</dl>
<p class="lead">Below is everything that the demo knows about you from your Postern.</p>`;
}

/** Returns the claims, with `first` in front. */
function inOrder(claims, first) {
  const names = new Set([...first.filter((name) => name in claims), ...Object.keys(claims)]);
  return Object.fromEntries([...names].map((name) => [name, claims[name]]));
}

const errorNotice = ({ code, description }) => html`<div class="notice${code === "access_denied" ? "" : " error"}"><p>${description}</p>
${code && html`<p class="small">Error code: <code>${code}</code></p>`}</div>`;

const table = (claims, meanings = {}) => html`<dl class="claims">
${Object.entries(claims).map(([name, value]) => html`<div>
<dt><code>${name}</code>${meanings[name] && html`<span class="small">${meanings[name]}</span>`}</dt>
<dd>${claimValue(name, value)}</dd>
</div>
`)}</dl>`;

function claimValue(name, value) {
  if (TIMES.includes(name)) return html`${clock(value)} <span class="small">${value}</span>`;
  if (Array.isArray(value)) return value.join(", ");
  if (value !== null && typeof value === "object") return table(value);
  return value;
}

/** A Unix time in seconds. */
function clock(seconds) {
  const time = new Date(seconds * 1_000).toISOString();
  return html`<time datetime="${time}">${time.slice(0, 10)} ${time.slice(11, 19)} UTC</time>`;
}

const header = (jws) => JSON.parse(Buffer.from(jws.split(".")[0], "base64url").toString());
