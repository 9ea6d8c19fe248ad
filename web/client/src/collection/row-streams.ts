import type { Debug } from "../debug.js";
import type { StreamError } from "../errors.js";
import type { ConnectionOptions } from "../options.js";
import { EventSelection } from "../selections/event-selection.js";
import type { Lines } from "../selections/lines.js";
import type { Sink, Source } from "../source.js";
import { sourceOf } from "../sources.js";
import { RowStream } from "./row-stream.js";
import type { Selection } from "./selection.js";

/** The streams that a client's collections and streams of events share: one, unless there are too many. */
export class RowStreams implements Lines {
  refusesEvents = false;
  private readonly all = new Set<RowStream>();

  constructor(private readonly options: ConnectionOptions) {}

  join(selection: Selection<any>): RowStream {
    const line = this.lineFor(selection.content);
    line.join(selection);
    return line;
  }

  /** Returns the source of a stream of events. Windows and conflation are of a connection, which is then its own. */
  readonly sourceOf = (options: ConnectionOptions, sink: Sink, debug: Debug): Source => {
    const isOwn = options.batch !== undefined || options.conflate === true;
    return isOwn ? sourceOf(options, sink, debug) : new EventSelection(this, options, sink, debug);
  };

  onOwnStream({ status }: StreamError): void {
    if (status !== 400) return; // what is too long for a proxy says nothing about the others
    this.refusesEvents = true;
    for (const line of this.all) line.separateEvents();
  }

  add(isAlone = false): RowStream {
    const line = new RowStream(this.options, this, isAlone);
    this.all.add(line);
    return line;
  }

  delete(line: RowStream): void {
    this.all.delete(line);
  }

  /** Returns the stream that has room for a selection. */
  lineFor(content: string): RowStream {
    return [...this.all].find((line) => line.hasRoomFor(content)) ?? this.add();
  }
}
