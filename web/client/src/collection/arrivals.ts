import { StreamError } from "../errors.js";

/** The number of transactions that are remembered: the events of one may come before the program waits for its number. */
const remembered = 1000;

export interface AwaitXidOptions {
  signal?: AbortSignal;
  /** How long to wait, in milliseconds. Default 90000. */
  timeout?: number;
}

interface Waiter {
  xid: string;
  /** A load after this one has the transaction. */
  load: number;
  heartbeats: number;
  /** Ends the wait, with an error or none. */
  end: (error?: unknown) => void;
}

/** Knows which transactions have arrived, and lets callers wait for one. */
export class Arrivals {
  private readonly seen = new Set<string>();
  private readonly waiters = new Set<Waiter>();

  /** Waits for a committed transaction. `load` is the number of the last load that has begun: its snapshot may lack the transaction. */
  await(xid: string, load: number, isClosed: boolean, { signal, timeout = 90_000 }: AwaitXidOptions = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (this.seen.has(xid)) return resolve();
      if (isClosed) return reject(failure("the collection is closed"));
      const abort = () => waiter.end(signal!.reason);
      const timer = setTimeout(() => waiter.end(failure(`its events did not come within ${timeout / 1000} s`)), timeout);
      const waiter: Waiter = {
        xid,
        load,
        heartbeats: 0,
        end: (error) => {
          this.waiters.delete(waiter);
          clearTimeout(timer);
          signal?.removeEventListener("abort", abort);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      this.waiters.add(waiter);
      signal?.addEventListener("abort", abort);
    });
  }

  add(xids: readonly (string | undefined)[]): void {
    for (const xid of xids) if (xid !== undefined) this.remember(xid);
    this.resolve((waiter) => this.seen.has(waiter.xid));
  }

  /** Records that the rows of a load are shown. `contains` says of a transaction whether they show it. */
  onLoaded(load: number, contains: (xid: string) => boolean | undefined): void {
    this.resolve((waiter) => load > waiter.load || !!contains(waiter.xid));
  }

  /** Records a heartbeat. The first one may have been on its way already; what is not there at the second concerns no row here. */
  onHeartbeat(): void {
    this.resolve((waiter) => ++waiter.heartbeats >= 2);
  }

  close(): void {
    for (const waiter of this.waiters) waiter.end(failure("the collection is closed"));
  }

  private remember(xid: string): void {
    this.seen.delete(xid);
    this.seen.add(xid);
    if (this.seen.size > remembered) this.seen.delete(this.seen.values().next().value!);
  }

  private resolve(isDone: (waiter: Waiter) => boolean): void {
    for (const waiter of this.waiters) if (isDone(waiter)) waiter.end();
  }
}

function failure(why: string): StreamError {
  return new StreamError(`wait for a transaction: ${why}`, { kind: "setup" });
}
