import { StreamError } from "./errors.js";
import type { Transport } from "./transport.js";

/** Returns a transport whose code is loaded when it is first needed. */
export function lazyTransport(load: () => Promise<Transport>): Transport {
  return (request, events) => {
    let isClosed = false;
    let close = () => {
      isClosed = true;
    };
    load().then(
      (transport) => {
        if (!isClosed) close = transport(request, events);
      },
      (cause) => isClosed || events.ended(new StreamError("load the transport's code: no response", { kind: "network", cause })),
    );
    return () => close();
  };
}
