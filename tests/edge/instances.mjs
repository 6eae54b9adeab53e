// Counts the instances of the module and measures the memory of the latest. Import it before the module, because the
// generated code makes the first instance when it is loaded.
const { Instance } = WebAssembly;

let made = 0;
let latest;

WebAssembly.Instance = function (...parameters) {
  made += 1;
  latest = new Instance(...parameters);
  return latest;
};

/** The number of instances so far. */
export const instancesMade = () => made;

/** The size of the table in which the latest instance holds JavaScript values. It grows when no place is free. */
export const handles = () => latest.exports.__wbindgen_externrefs.length;

/** The memory of the latest instance, in bytes. */
export const memoryBytes = () => latest.exports.memory.buffer.byteLength;
