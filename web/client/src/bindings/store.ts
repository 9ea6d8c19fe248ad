import { Lifetime } from "./lifetime.js";

/** A state outside of a framework, and the way to follow it. It runs while it has subscribers. */
export interface Store<Snapshot extends object> {
  /** Returns the state: the same object until something changes. */
  getSnapshot(): Snapshot;
  subscribe(listener: () => void): () => void;
  /** The state before anything came, which a server renders. */
  readonly initial: Snapshot;
  /** The state to show while the store is not enabled. Default: the last one. */
  readonly disabled?: Snapshot;
}

/** Returns a subscribe function that starts its source for the first listener, and stops it after the last one. */
export function counted(source: { subscribe(listener: () => void): () => void; start(): void; stop(): void }): Store<never>["subscribe"] {
  const lifetime = new Lifetime(
    () => source.start(),
    () => source.stop(),
  );
  return (listener) => {
    const unsubscribe = source.subscribe(listener);
    const release = lifetime.add();
    return () => {
      unsubscribe();
      release();
    };
  };
}

/** Serializes options in one canonical form, without functions. A binding opens something else only if this changes. */
export function keyOf(options: object): string {
  return JSON.stringify(options, (_, value: unknown) => {
    if (typeof value === "function") return "function";
    if (typeof value === "bigint") return `${value}n`;
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** Returns the state to show. */
export function shown<Snapshot extends object>(store: Store<Snapshot>, enabled: boolean): Snapshot {
  return enabled ? store.getSnapshot() : (store.disabled ?? store.getSnapshot());
}

/** Options, or a function that reads them from reactive values. */
export type MaybeGetter<T> = T | (() => T);

/** Returns the options now. */
export function read<T extends object>(options: MaybeGetter<T>): T {
  return typeof options === "function" ? (options as () => T)() : options;
}

/** A store for the present options, and whether to follow it. */
export interface Selected<Snapshot extends object> {
  readonly store: Store<Snapshot>;
  readonly enabled: boolean;
}

/** What identifies a store, and how to make it. */
export interface Selection<Snapshot extends object> {
  key: readonly unknown[];
  enabled: boolean;
  make(): Store<Snapshot>;
}

/** Returns a function that returns the store for the present options. It makes another one when the key changes. */
export function selector<Snapshot extends object>(select: () => Selection<Snapshot>): () => Selected<Snapshot> {
  let last: (Selected<Snapshot> & { readonly key: readonly unknown[] }) | undefined;
  return () => {
    const { key, enabled, make } = select();
    if (!last || key.some((part, i) => part !== last!.key[i])) last = { key, enabled, store: make() };
    else if (last.enabled !== enabled) last = { ...last, enabled };
    return last;
  };
}

/** Returns an object whose members are read from the snapshot whenever they are used. */
export function members<Snapshot extends object>(names: object, snapshot: () => Snapshot): Readonly<Snapshot> {
  const getters = Object.keys(names).map((name) => [name, { enumerable: true, get: () => snapshot()[name as keyof Snapshot] }] as const);
  return Object.defineProperties({}, Object.fromEntries(getters)) as Snapshot;
}
