import { keepLoading, loadedFollowing, loadFollowing, type Following } from "../following.js";
import type { SourceMaker } from "../loading-source.js";
import type { ConnectionOptions } from "../options.js";
import type { RowStreams } from "./row-streams.js";
import type { Selection } from "./selection.js";

/**
 * The streams of a client's collections, whose code is loaded beside the first list. Until it is there, lists are read as
 * those of a stream that has yet to begin.
 */
export class LazyRowStreams {
  /** The reason why the code is not there. */
  error: Error | null = null;
  private streams: RowStreams | undefined;
  private readonly waiting = new Set<Selection<any>>();
  private stop: (() => void) | undefined;

  constructor(private readonly options: ConnectionOptions) {}

  /** Lets the selection load, and gives it a stream once there is the code. */
  join(selection: Selection<any>): void {
    const code = loadedFollowing();
    if (code) this.begin(code);
    if (this.streams) return selection.follow(this.streams.join(selection));
    this.waiting.add(selection);
    this.stop ??= keepLoading(loadFollowing, this.options.backoff, { ready: (loaded) => this.begin(loaded), failed: (error) => this.fail(error) });
    selection.begin(true);
  }

  /** Returns the connections of streams of events, which share those of the collections. */
  sourceOf({ RowStreams }: Following): SourceMaker {
    return (this.streams ??= new RowStreams(this.options)).sourceOf;
  }

  leave(selection: Selection<any>): void {
    if (this.waiting.delete(selection) && this.waiting.size === 0) this.end();
  }

  private end(): void {
    this.stop?.();
    this.stop = undefined;
    this.error = null;
  }

  /** Gives all that wait their streams, before one of these opens. */
  private begin(code: Following): void {
    const waiting = [...this.waiting];
    this.waiting.clear();
    this.end();
    this.streams ??= new code.RowStreams(this.options);
    const joined = waiting.map((selection) => [selection, this.streams!.join(selection)] as const);
    for (const [selection, line] of joined) selection.follow(line);
  }

  private fail(error: Error): void {
    this.error = error;
    for (const selection of this.waiting) selection.changed();
  }
}
