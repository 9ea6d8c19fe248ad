// The adapter of foreign EventSource clients for the conformance suite: adapter.mjs eventsource, or
// adapter.mjs fetch-event-source. They know the format and Last-Event-ID, and nothing of pgherald.
import { createInterface } from "node:readline";
import { fetchEventSource } from "@microsoft/fetch-event-source";
import { EventSource } from "eventsource";

const show = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const running = new Map();

function pass(id, text) {
  if (!text) return;
  const { id: number, type, key, data, oversized } = JSON.parse(text);
  if (number !== undefined) show({ id, [oversized ? "oversized" : "event"]: { id: number, type, key, data } });
  else if (type === "sync" && data.mode === "reset") show({ id, reset: data.reason });
}

const clients = {
  eventsource({ start: id, url, since = "" }) {
    const source = new EventSource(`${url}/api/events?since=${since}`);
    source.onmessage = ({ data }) => pass(id, data);
    source.onerror = () => source.readyState === EventSource.CLOSED && show({ id, error: "closed" });
    return () => source.close();
  },
  "fetch-event-source"({ start: id, url, since = "" }) {
    const abort = new AbortController();
    fetchEventSource(`${url}/api/events?since=${since}`, {
      signal: abort.signal,
      openWhenHidden: true,
      onmessage: ({ data }) => pass(id, data),
    }).catch((error) => show({ id, error: String(error) }));
    return () => abort.abort();
  },
};

// fetch-event-source is made for browsers.
globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
show({ ready: true, can: ["events"] });
createInterface({ input: process.stdin })
  .on("line", (text) => {
    const line = JSON.parse(text);
    if (line.stop) running.get(line.stop)();
    else running.set(line.start, clients[process.argv[2]](line));
  })
  .on("close", () => process.exit(0));
