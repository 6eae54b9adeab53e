// The module's bindings: wasm-bindgen generates them at build time, so a fresh clone has none.
declare module "*/index.js" {
  export const fetch: any;
  const bindings: any;
  export default bindings;
}

// The bench bundles a contender with its documents under this name.
declare module "bench:documents" {
  const documents: any;
  export default documents;
}

// Parts of workerd that Node lacks.
declare const scheduler: { wait(milliseconds: number): Promise<void> };

declare namespace WebAssembly {
  let Instance: any;
  const Module: any;
}
