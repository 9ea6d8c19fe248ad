import type { RowStream } from "../collection/row-stream.js";
import type { StreamError } from "../errors.js";

/** Where a client's streams meet. */
export interface Lines {
  /** Whether the server takes no selections of events. */
  refusesEvents: boolean;
  lineFor(content: string): RowStream;
  /** Records that a selection which the server refused works as a stream of its own. */
  onOwnStream(error: StreamError): void;
}
