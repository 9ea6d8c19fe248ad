import { vi } from "vitest";

/** A tab of the fake browser. The code of a dead tab keeps running, but its messages are not delivered. */
export interface Tab {
  dead: boolean;
}

interface Request {
  tab: Tab;
  granted: () => Promise<unknown>;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

/** Fakes the Web Locks and BroadcastChannel of one browser, with tabs that can die. */
export class FakeBrowser {
  /** The tab whose code runs. Set it before the code requests a lock or opens a channel. */
  current: Tab = { dead: false };
  private holder: Request | undefined;
  private queue: Request[] = [];
  private readonly channels = new Set<FakeChannel>();

  constructor(readonly delay: () => number = () => 0) {
    const browser = this;
    vi.stubGlobal("BroadcastChannel", class extends FakeChannel {
      constructor(name: string) {
        super(browser, browser.channels, name);
      }
    });
    Object.defineProperty(navigator, "locks", { configurable: true, value: { request: this.request.bind(this) } });
  }

  get leader(): Tab | undefined {
    return this.holder?.tab;
  }

  /** Crashes a tab: the browser releases its lock and closes its channels. */
  kill(tab: Tab): void {
    tab.dead = true;
    this.queue = this.queue.filter((request) => request.tab !== tab);
    if (this.holder?.tab === tab) {
      this.holder = undefined;
      this.grant();
    }
  }

  private request(_name: string, options: LockOptions, granted: () => Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const request: Request = { tab: this.current, granted, resolve, reject };
      if (options.steal) {
        this.holder?.reject(new DOMException("stolen", "AbortError"));
        this.holder = undefined;
        this.queue.unshift(request);
      } else this.queue.push(request);
      options.signal?.addEventListener("abort", () => {
        if (!this.queue.includes(request)) return;
        this.queue = this.queue.filter((other) => other !== request);
        reject(new DOMException("aborted", "AbortError"));
      });
      setTimeout(() => this.grant(), 0);
    });
  }

  private grant(): void {
    const next = this.holder ? undefined : this.queue.shift();
    if (!next) return;
    this.holder = next;
    const release = () => {
      next.resolve(undefined);
      if (this.holder !== next) return;
      this.holder = undefined;
      this.grant();
    };
    next.granted().then(release);
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
    this.tab = browser.current;
    all.add(this);
  }

  postMessage(data: unknown): void {
    if (this.tab.dead || this.closed) return;
    for (const other of this.all) {
      if (other === this || other.name !== this.name || other.closed) continue;
      const copy = structuredClone(data);
      // Delayed, but in order.
      other.clock = Math.max(other.clock, Date.now() + this.browser.delay());
      other.inbox.push(copy);
      setTimeout(() => {
        const first = other.inbox.shift();
        if (!other.tab.dead && !other.closed) other.onmessage?.({ data: first });
      }, other.clock - Date.now());
    }
  }

  close(): void {
    this.closed = true;
    this.all.delete(this);
  }
}
