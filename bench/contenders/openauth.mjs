// OpenAuth on Workers, set up as in its documentation: an issuer on KV, users with passwords. It has no userinfo
// endpoint, because its access tokens contain the user's properties.
import { issuer } from "@openauthjs/openauth";
import { PasswordProvider } from "@openauthjs/openauth/provider/password";
import { CloudflareStorage } from "@openauthjs/openauth/storage/cloudflare";
import { createSubjects } from "@openauthjs/openauth/subject";
import { PasswordUI } from "@openauthjs/openauth/ui/password";

const subjects = createSubjects({
  user: { "~standard": { version: 1, vendor: "bench", validate: (value) => ({ value }) } },
});

export default {
  fetch(request, env, context) {
    return issuer({
      storage: CloudflareStorage({ namespace: env.KV }),
      subjects,
      providers: { password: PasswordProvider(PasswordUI({ sendCode: async () => {} })) },
      // By default it allows redirects to its own domain.
      allow: async ({ redirectURI }) => redirectURI === "https://app.example/cb",
      success: (response, { email }) => response.subject("user", { email }),
    }).fetch(request, env, context);
  },
};
