import { StreamError } from "./errors.js";
import type { Stream } from "./stream.js";

/** The number of events that wait for a slow reader. With more, the stream pauses, and the server keeps the others. */
const mostWaiting = 1000;

/** Gives the events of a stream until it is closed. Throws its fatal error, and on a reset that no listener takes. */
export async function* iterate<Event>(stream: Stream<any>): AsyncGenerator<Event, void, void> {
  const reader = {}; // each loop has its own pace
  let waiting: Event[] = [];
  let lost: StreamError | undefined;
  let wake = () => {};
  const stops = [
    stream.on("*", (event) => {
      if (waiting.push(event as Event) >= mostWaiting) stream.pause(reader);
      wake();
    }),
    stream.onChange(() => wake()), // close() does not change the status of a paused stream
    stream.onLoss(({ reason }) => {
      lost = new StreamError(`events are missing (${reason}): load everything again`, { kind: "reset" });
      wake();
    }),
  ];
  try {
    for (;;) {
      const events = waiting;
      waiting = [];
      yield* events;
      if (waiting.length > 0) continue;
      if (lost) throw lost;
      stream.resume(reader);
      if (stream.isPaused || stream.status !== "closed") await new Promise<void>((resolve) => (wake = resolve));
      else if (stream.error?.fatal) throw stream.error;
      else return;
    }
  } finally {
    for (const stop of stops) stop();
    stream.resume(reader); // for its other listeners
  }
}
