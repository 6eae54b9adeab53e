// A single-page app on oidc-client-ts. It has no server, so it is a public client.
const { authority } = await (await fetch("/settings.json")).json();
const manager = new globalThis.oidc.UserManager({
  authority,
  client_id: "spa",
  redirect_uri: `${location.origin}/`,
  scope: "openid profile email offline_access",
  loadUserInfo: true,
  automaticSilentRenew: false,
});

const show = (outcome) => { document.querySelector("#outcome").textContent = JSON.stringify(outcome); };
const attempt = (act) => act().then(show, ({ error, message }) => show({ error, message }));
const on = (id, act) => document.querySelector(id).addEventListener("click", () => attempt(act));

on("#sign-in", () => manager.signinRedirect());
on("#silent", () => manager.signinRedirect({ prompt: "none" }));
on("#renew", () => manager.signinSilent());

const parameters = new URLSearchParams(location.search);
if (parameters.has("state")) {
  await attempt(() => manager.signinCallback());
  history.replaceState(null, "", "/");
}
