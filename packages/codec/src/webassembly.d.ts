/** What `kernels.ts` needs of WebAssembly's types, which else come only with those of a browser. */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
    /** Contents of the sections of that name. */
    static customSections(module: Module, name: string): ArrayBuffer[];
  }
  class Instance {
    constructor(module: Module, imports: { readonly env: { readonly memory: Memory } });
    readonly exports: unknown;
  }
  class Memory {
    constructor(size: { readonly initial: number; readonly maximum?: number });
    /** A new one after `grow`: the one before has length 0 from then on. */
    readonly buffer: ArrayBuffer;
    /** By pages of 64 KiB; throws a RangeError when there is no more. */
    grow(pages: number): number;
  }
}
