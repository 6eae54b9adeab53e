// Postern as it is served, but for the names of its functions.
import { fetch } from "../../build/named/index.js";

export default { fetch };
