// passport-openidconnect: an Express application, as its documentation has it. It reads the profile from the ID token.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { install } from "./install.mjs";
import { ALICE, listen, startProvider } from "./provider.mjs";

const { load } = await install("passport-openidconnect");
const { default: express } = await load("express");
const { default: session } = await load("express-session");
const { default: passport } = await load("passport");
const { default: OpenIDConnectStrategy } = await load("passport-openidconnect");
const provider = await startProvider();

const { port, close } = await listen((request, response) => app(request, response));
after(close);
const origin = `http://localhost:${port}`;
const client = await provider.putClient("express", {
  client_name: "Express", redirect_uris: [`${origin}/cb`], id_token_scope_claims: true,
});

passport.use(new OpenIDConnectStrategy({
  issuer: provider.issuer,
  authorizationURL: `${provider.issuer}/auth/authorize`,
  tokenURL: `${provider.issuer}/auth/token`,
  userInfoURL: `${provider.issuer}/auth/userinfo`,
  clientID: client.client_id,
  clientSecret: client.client_secret,
  callbackURL: `${origin}/cb`,
  scope: ["profile", "email"],
}, (issuer, profile, done) => done(null, { issuer, profile })));
passport.serializeUser((user, done) => done(null, user));
passport.deserializeUser((user, done) => done(null, user));
const app = express();
app.use(session({ secret: "a secret of the application", resave: false, saveUninitialized: false }));
app.use(passport.session());
app.get("/login", passport.authenticate("openidconnect"));
const failed = (request, response) => response.json({ failed: request.session.messages });
app.get("/failed", failed);
app.get("/cb", passport.authenticate("openidconnect", { failureRedirect: "/failed", failureMessage: true }),
  (_request, response) => response.redirect("/"));
app.get("/", (request, response) => response.json(request.user ?? {}));

test("passport-openidconnect shows the name and the e-mail of the ID token", async () => {
  const { status, body } = await provider.browser().visit(`${origin}/login`);
  assert.equal(status, 200, body);
  const { issuer, profile, failed: messages } = JSON.parse(body);
  assert.deepEqual([issuer, profile?.id], [provider.issuer, "alice"], messages);
  assert.deepEqual([profile.displayName, profile.emails], [ALICE.name, [{ value: ALICE.email }]]);
});
