// As src/cloudflare/entry.mjs, on the module built with the feature provoke-panic.
import { fetch } from "../../build/panic/index.js";

export default { fetch };
