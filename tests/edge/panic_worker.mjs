// The module built with the feature provoke-panic, behind bindings with fault injection.
import "./instances.mjs";
import { fetch } from "../../build/panic/index.js";
import { withFaultInjection } from "./fault_injection.mjs";

export default withFaultInjection({ fetch });
