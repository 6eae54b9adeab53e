// The project's own entry behind bindings with fault injection.
import "./instances.mjs";
import postern from "../../src/cloudflare/entry.mjs";
import { withFaultInjection } from "./fault_injection.mjs";

export default withFaultInjection(postern);
