import * as wasm from "../../build/index.js";
import { door } from "./door.mjs";

export default door(wasm);
