import { AsyncLocalStorage } from "node:async_hooks";
import { vi } from "vitest";

/** A tab of the fake browser. The code of a dead tab keeps running, but its messages are not delivered. */
export interface Tab {
  dead: boolean;
}

interface Request {
  name: string;
  tab: Tab;
  granted: () => Promise<unknown>;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

/** Fakes the Web Locks and BroadcastChannel of one browser, with tabs that can die. */
export class FakeBrowser {
  /** The tab whose code runs, outside of `run`. Set it before the code requests a lock or opens a channel. */
  current: Tab = { dead: false };
  /** Makes postMessage throw. */
  refuse: (data: unknown) => boolean = () => false;
  private readonly holders = new Map<string, Request>();
  private queue: Request[] = [];
  private readonly tabs = new AsyncLocalStorage<Tab>();
  private readonly channels = new Set<FakeChannel>();

  constructor(readonly delay: () => number = () => 0) {
    const browser = this;
    vi.stubGlobal("BroadcastChannel", class extends FakeChannel {
      constructor(name: string) {
        super(browser, browser.channels, name);
      }
    });
    Object.defineProperty(navigator, "locks", { configurable: true, value: { request: this.request.bind(this), query: this.query.bind(this) } });
  }

  /** Runs code in a tab, with the timers that it sets. */
  run<T>(tab: Tab, code: () => T): T {
    return this.tabs.run(tab, code);
  }

  /** Lets timers run in the tabs that have set them. */
  bindTimers(): void {
    for (const name of ["setTimeout", "queueMicrotask"] as const) {
      const original = globalThis[name] as (task: () => void, delay?: number) => unknown;
      vi.stubGlobal(name, (task: () => void, delay?: number) => original(AsyncLocalStorage.bind(task), delay));
    }
  }

  get tab(): Tab {
    return this.tabs.getStore() ?? this.current;
  }

  /** Crashes a tab: the browser releases its lock and closes its channels. */
  kill(tab: Tab): void {
    tab.dead = true;
    this.queue = this.queue.filter((request) => request.tab !== tab);
    for (const [name, { tab: holder }] of [...this.holders]) {
      if (holder !== tab) continue;
      this.holders.delete(name);
      this.grant(name);
    }
  }

  private async query(): Promise<LockManagerSnapshot> {
    await new Promise((resolve) => setTimeout(resolve, 0));
    return { held: [...this.holders.keys()].map((name) => ({ name, mode: "exclusive", clientId: "" })), pending: [] };
  }

  private request(name: string, options: LockOptions, granted: () => Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const request: Request = { name, tab: this.tab, granted, resolve, reject };
      if (options.steal) {
        this.holders.get(name)?.reject(new DOMException("stolen", "AbortError"));
        this.holders.delete(name);
        this.queue.unshift(request);
      } else this.queue.push(request);
      options.signal?.addEventListener("abort", () => {
        if (!this.queue.includes(request)) return;
        this.queue = this.queue.filter((other) => other !== request);
        reject(new DOMException("aborted", "AbortError"));
      });
      setTimeout(() => this.grant(name), 0);
    });
  }

  private grant(name: string): void {
    const next = this.holders.has(name) ? undefined : this.queue.find((request) => request.name === name);
    if (!next) return;
    this.queue = this.queue.filter((request) => request !== next);
    this.holders.set(name, next);
    const release = () => {
      next.resolve(undefined);
      if (this.holders.get(name) !== next) return;
      this.holders.delete(name);
      this.grant(name);
    };
    this.run(next.tab, next.granted).then(release);
  }
}

class FakeChannel {
  onmessage?: (event: { data: unknown }) => void;
  private readonly tab: Tab;
  private closed = false;
  private clock = 0;
  private readonly inbox: unknown[] = [];

  constructor(
    private readonly browser: FakeBrowser,
    private readonly all: Set<FakeChannel>,
    private readonly name: string,
  ) {
    this.tab = browser.tab;
    all.add(this);
  }

  postMessage(data: unknown): void {
    if (this.tab.dead || this.closed) return;
    if (this.browser.refuse(data)) throw new DOMException("cannot be cloned", "DataCloneError");
    for (const other of this.all) {
      if (other === this || other.name !== this.name || other.closed) continue;
      const copy = structuredClone(data);
      // Delayed, but in order.
      other.clock = Math.max(other.clock, Date.now() + this.browser.delay());
      other.inbox.push(copy);
      setTimeout(() => {
        const first = other.inbox.shift();
        if (!other.tab.dead && !other.closed) this.browser.run(other.tab, () => other.onmessage?.({ data: first }));
      }, other.clock - Date.now());
    }
  }

  close(): void {
    this.closed = true;
    this.all.delete(this);
  }
}
