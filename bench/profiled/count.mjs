// Counts every call between JavaScript and wasm, in both directions. Import it before the module, which is instantiated
// when it is imported.
const crossings = new Map();

const counting = (name, call) => (...parameters) => {
  crossings.set(name, (crossings.get(name) ?? 0) + 1);
  return call(...parameters);
};

const counted = (functions) => Object.fromEntries(Object.entries(functions).map(([name, value]) =>
  [name, typeof value === "function" ? counting(name, value) : value]));

const { Instance } = WebAssembly;
WebAssembly.Instance = class {
  constructor(module, imports) {
    const countedImports = Object.entries(imports).map(([name, functions]) => [name, counted(functions)]);
    this.exports = counted(new Instance(module, Object.fromEntries(countedImports)).exports);
  }
};

/** The number of calls since the last time, by name. */
export function takeCrossings() {
  const taken = Object.fromEntries(crossings);
  crossings.clear();
  return taken;
}
