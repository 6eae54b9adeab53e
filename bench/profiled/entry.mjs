// Postern as in production, but with the names of its functions.
import { fetch } from "../../build/named/index.js";

export default { fetch };
