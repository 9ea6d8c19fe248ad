/** How long the selections of a page that was closed remain, in milliseconds: the next page may want them too. */
const leaveDelay = 1000;

/** How often the tabs read what all of them want, in milliseconds: one that crashed says nothing. */
const readInterval = 60_000;

type Contents = readonly string[];

/** What a tab wants, as the name of its lock has it, in JSON. The newest version counts. */
type Want = [name: string, joined: number, id: string, version: number, contents: Contents];

/**
 * Knows what the tabs of a group want on one stream, so that they can share it although each wants something else. A tab
 * shows what it wants by the name of a Web Lock that it holds: the browser releases it, however the tab ends. A message
 * says that a name has changed. Tabs that do not agree for a moment have several streams, and each has all that it wants.
 */
export class SharedSelections {
  private readonly id = crypto.randomUUID();
  private readonly joined = Date.now();
  private version = 0;
  private wanted: Contents = [];
  private shown: Contents = [];
  private isDue = false;
  private held: AbortController | undefined; // releases the lock
  private channel: BroadcastChannel | undefined;
  private leaveTimer: ReturnType<typeof setTimeout> | undefined;
  private readTimer: ReturnType<typeof setTimeout> | undefined;
  private queries = 0;

  constructor(
    private readonly name: string,
    /** Reports whether a stream can have all these. */
    private readonly fit: (contents: Contents) => boolean,
    /** Takes what the stream of this tab should have. */
    private readonly use: (contents: Contents) => void,
  ) {
    window.addEventListener("pagehide", this.hide);
    window.addEventListener("pageshow", this.show);
  }

  /** Shows the other tabs what this one wants. `use` is called later, also if nothing is new. */
  want(contents: Contents): void {
    this.wanted = contents;
    if (!this.isDue) queueMicrotask(() => this.update());
    this.isDue = true;
  }

  close(): void {
    window.removeEventListener("pagehide", this.hide);
    window.removeEventListener("pageshow", this.show);
    this.hide();
    this.wanted = [];
  }

  /** Withdraws what this tab wants. A page in the back/forward cache must have neither lock nor channel. */
  private readonly hide = (): void => {
    clearTimeout(this.leaveTimer);
    clearTimeout(this.readTimer);
    this.held?.abort();
    this.held = this.leaveTimer = undefined;
    this.shown = [];
    this.channel?.postMessage("left");
    this.channel?.close();
    this.channel = undefined;
  };

  private readonly show = (event: PageTransitionEvent): void => {
    if (event.persisted) this.want(this.wanted);
  };

  private update(): void {
    this.isDue = false;
    if (this.wanted.length === 0) return; // closed
    this.channel ??= this.listen();
    if (this.wanted.join() === this.shown.join()) void this.read();
    else void this.hold();
  }

  private listen(): BroadcastChannel {
    const channel = new BroadcastChannel(this.name);
    channel.onmessage = ({ data }) => {
      if (data === "left") this.leaveTimer ??= setTimeout(() => this.announce(), leaveDelay);
      else void this.read();
    };
    return channel;
  }

  /** Holds a lock whose name shows what this tab wants, in place of an earlier one. */
  private async hold(): Promise<void> {
    const before = this.held;
    const { signal } = (this.held = new AbortController());
    this.shown = this.wanted;
    const want: Want = [this.name, this.joined, this.id, ++this.version, this.shown];
    try {
      await held(JSON.stringify(want), signal);
    } catch {
      before?.abort(); // nothing else releases it: the page hides, or the browser refuses locks
      if (!signal.aborted) this.use(this.shown); // without the other tabs
      return;
    }
    before?.abort();
    this.announce();
  }

  private announce(): void {
    this.channel?.postMessage("changed");
    void this.read();
  }

  /** Reads what all tabs want. */
  private async read(): Promise<void> {
    clearTimeout(this.leaveTimer);
    this.leaveTimer = undefined;
    const query = ++this.queries;
    const { held = [] } = await navigator.locks.query().catch((): LockManagerSnapshot => ({}));
    if (query !== this.queries || !this.held) return;
    clearTimeout(this.readTimer);
    this.readTimer = setTimeout(() => this.announce(), readInterval); // the others read then too, and wait as long again
    this.use(this.join(held.flatMap(({ name }) => this.parse(name!))));
  }

  private parse(name: string): Want[] {
    if (!name.startsWith(JSON.stringify([this.name]).slice(0, -1))) return [];
    return [JSON.parse(name) as Want];
  }

  /**
   * Joins what this tab wants with what others want, as much as one stream can have: the tabs fill one stream after
   * another, in the order in which they came. All that one tab wants is on one stream.
   */
  private join(wants: Want[]): Contents {
    const own: Want = [this.name, this.joined, this.id, Infinity, this.shown];
    const newest = new Map([...wants, own].sort((a, b) => a[3] - b[3]).map((want) => [want[2], want]));
    const streams: Contents[] = [];
    let mine = 0;
    for (const [, , id, , contents] of [...newest.values()].sort((a, b) => a[1] - b[1] || (a[2] < b[2] ? -1 : 1))) {
      const joined = (stream: Contents) => [...new Set([...stream, ...contents])].sort();
      const found = streams.findIndex((stream) => this.fit(joined(stream)));
      const i = found < 0 ? streams.length : found;
      streams[i] = joined(streams[i] ?? []);
      if (id === this.id) mine = i;
    }
    return streams[mine]!;
  }
}

/** Resolves when the lock is granted, which is held until `signal` is aborted. */
function held(name: string, signal: AbortSignal): Promise<void> {
  return new Promise((granted, failed) => {
    const hold = () =>
      new Promise<void>((release) => {
        if (signal.aborted) return release();
        signal.addEventListener("abort", () => release());
        granted();
      });
    navigator.locks.request(name, { signal }, hold).then(failed, failed); // it may be granted and released at once
  });
}
