import { For } from "solid-js";
import { render } from "solid-js/web";
import { useCollection, useEvents, useStatus } from "pgherald/solid";

function Orders() {
  const connection = useStatus();
  const orders = useCollection("orders", { where: { status: "open" }, order: "id.desc" });
  const updates = useEvents({ types: ["orders_updated"] });
  return (
    <main>
      <output>{connection.status}</output>
      <ul><For each={orders.data}>{(order) => <li>{order.note}</li>}</For></ul>
      <b>{updates.lastEvent?.type}</b>
    </main>
  );
}

render(() => <Orders />, document.getElementById("app"));
