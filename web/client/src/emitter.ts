/** Calls the listeners of a key. If one throws, the error is reported as uncaught and the others still run. */
export class Emitter<Args extends unknown[]> {
  private readonly listeners = new Map<string, Set<(...args: Args) => void>>();

  /** Adds a listener and returns a function that removes it. A function added twice is called twice. */
  on(key: string, listener: (...args: Args) => void): () => void {
    const entry = (...args: Args) => listener(...args);
    let set = this.listeners.get(key);
    if (!set) this.listeners.set(key, (set = new Set()));
    set.add(entry);
    return () => {
      set.delete(entry);
    };
  }

  has(key: string): boolean {
    return (this.listeners.get(key)?.size ?? 0) > 0;
  }

  emit(key: string, ...args: Args): void {
    const set = this.listeners.get(key);
    if (!set) return;
    for (const listener of [...set]) {
      if (set.has(listener)) call(() => listener(...args));
    }
  }
}

/** Calls a function of the user. What it throws is reported as uncaught and cannot break the stream. */
export function call(fn: () => void): void {
  try {
    fn();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
