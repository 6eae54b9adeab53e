// After a panic, wasm-bindgen's abort handler makes a new instance before the next call.
import { fetch } from "../../build/index.js";

export default { fetch };
