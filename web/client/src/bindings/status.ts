import type { Client, ClientStatus } from "../client.js";
import { clientOfPage } from "./collection.js";
import { read, selector, type MaybeGetter, type Selected, type Store } from "./store.js";

/** The state of a client's connections, for a mark such as "reconnecting". */
export interface UseStatus extends ClientStatus {
  /** Whether what is shown follows the database: at least one connection is open, and none has trouble. */
  readonly isConnected: boolean;
}

export interface UseStatusOptions {
  /** The client to use instead of the one that the components are given, or of the server that serves the page. */
  client?: Client<any>;
}

const withConnected = (status: ClientStatus): UseStatus => ({ ...status, isConnected: status.status === "open" && status.error === null });

/** The state of a client, which has nothing open on a server. */
export function statusStore(client: Client<any>): Store<UseStatus> {
  let shown = client.getStatus();
  let snapshot = withConnected(shown);
  const getSnapshot = () => {
    if (shown !== client.getStatus()) snapshot = withConnected((shown = client.getStatus()));
    return snapshot;
  };
  return { initial: withConnected({ status: "closed", error: null }), getSnapshot, subscribe: (listener) => client.subscribe(listener) };
}

/** Selects the present client. */
export function selectStatus(options: MaybeGetter<UseStatusOptions>, given: Client<any> | undefined): () => Selected<UseStatus> {
  return selector(() => {
    const { client = given ?? clientOfPage() } = read(options);
    return { key: [client], enabled: true, make: () => statusStore(client) };
  });
}
