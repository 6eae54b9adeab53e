// The project's own entry behind bindings that count.
import postern from "../../src/cloudflare/entry.mjs";
import { withCounting } from "./counting.mjs";

export default withCounting(postern);
