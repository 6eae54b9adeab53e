// Counts the instances of the module, and knows the memory of the latest. It must be imported before the module: the
// generated code makes the first instance when it is loaded.
const { Instance } = WebAssembly;

let made = 0;
let latest;

WebAssembly.Instance = function (...parameters) {
  made += 1;
  latest = new Instance(...parameters);
  return latest;
};

/** How many instances were made so far. */
export const instancesMade = () => made;

/** The bytes of memory that the latest instance has. */
export const memoryBytes = () => latest.exports.memory.buffer.byteLength;
