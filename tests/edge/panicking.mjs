import * as wasm from "../../build/panic/index.js";
import { door } from "../../src/cloudflare/door.mjs";

export default door(wasm);
