// The project's own entry, with bindings that count what they are asked and can be told to fail.
import "./instances.mjs";
import postern from "../../src/cloudflare/entry.mjs";
import { watch } from "./watch.mjs";

export default watch(postern);
