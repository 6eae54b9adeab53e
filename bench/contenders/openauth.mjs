// OpenAuth as its documentation has it for Workers: an issuer on KV, people with passwords. It has no userinfo:
// what it knows of a user stands in the access token.
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
      success: (context, { email }) => context.subject("user", { email }),
    }).fetch(request, env, context);
  },
};
