// The generated index.js keeps working after a panic, because src/cloudflare/recovery.rs replaces the wasm instance.
import { fetch, scheduled } from "../../build/index.js";

export default { fetch, scheduled };
