// As watched.mjs, on the module built with the feature provoke-panic.
import "./instances.mjs";
import { fetch } from "../../build/panic/index.js";
import { watch } from "./watch.mjs";

export default watch({ fetch });
