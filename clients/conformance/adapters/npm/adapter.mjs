// The adapter of web/client, the npm package, for the conformance suite. It needs the package's build.
import { createInterface } from "node:readline";
import { createClient, createEventStream } from "../../../../web/client/dist/index.js";

const show = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const running = new Map();

function begin(start) {
  const id = start.start;
  let tokens = 0;
  const token = start.tokens ? async () => `token-${++tokens}` : undefined;
  const fail = (error) => show({ id, error: `${error.name}: ${error.message}` });
  return start.open === "collection" ? openCollection(id, start, token, fail) : openEvents(id, start, token, fail);
}

function openEvents(id, { url, since, transport, connectTimeout }, token, fail) {
  let isStale = false;
  const options = { transport, connectTimeout };
  const stream = createEventStream({ url: `${url}/api/events`, since, token, ...options, shared: false, autoConnect: false });
  stream.on("*", ({ id: number, type, key, data }) => number !== undefined && show({ id, event: { id: number, type, key, data } }));
  stream.onOversized(({ id: number, type, key }) => show({ id, oversized: { id: number, type, key } }));
  stream.onReset(({ reason }) => show({ id, reset: reason }));
  stream.onStatus((status) => {
    if ((status === "stale") === isStale || (status !== "stale" && status !== "open")) return;
    isStale = !isStale;
    show({ id, stale: isStale });
  });
  stream.onError((error) => error.fatal && fail(error));
  stream.connect();
  return () => stream.close();
}

function openCollection(id, { url, collection: name, where, order, limit, transport, connectTimeout }, token, fail) {
  const client = createClient({ url, token, transport, connectTimeout, shared: false });
  const collection = client.collection(name, { where, order, limit });
  let shown, failed;
  collection.subscribe(() => {
    const { data, keys, error, stale, status } = collection.getSnapshot();
    const isLoading = stale && status === "open"; // all rows, or some whose events came without their data
    if (data && data !== shown && !isLoading) show({ id, rows: Object.fromEntries(keys.map((key, i) => [key, data[i]])), keys });
    if (!isLoading) shown = data;
    if (error?.fatal && error !== failed) fail((failed = error));
  });
  return () => client.close();
}

show({ ready: true, can: ["events", "collections", "tokens", "order", "pages"] });
const lines = createInterface({ input: process.stdin });
lines.on("line", (text) => {
  const line = JSON.parse(text);
  if (line.stop) running.get(line.stop)();
  else running.set(line.start, begin(line));
});
lines.on("close", () => {
  for (const stop of running.values()) stop();
});
