/** Calls the listeners of a key. One that throws is reported as uncaught, and the others are called. */
export class Emitter<Args extends unknown[]> {
  private readonly listeners = new Map<string, Set<(...args: Args) => void>>();

  /** Returns the off function. The same function given twice is called twice. */
  on(key: string, listener: (...args: Args) => void): () => void {
    const entry = (...args: Args) => listener(...args);
    let set = this.listeners.get(key);
    if (!set) this.listeners.set(key, (set = new Set()));
    set.add(entry);
    return () => {
      set.delete(entry);
    };
  }

  emit(key: string, ...args: Args): void {
    const set = this.listeners.get(key);
    if (!set) return;
    for (const listener of [...set]) {
      if (set.has(listener)) call(() => listener(...args));
    }
  }
}

/** Calls a caller's function so that what it throws cannot break the stream. */
export function call(fn: () => void): void {
  try {
    fn();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
