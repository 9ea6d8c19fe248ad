import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { useCollection, useEvents, useStatus } from "pgherald/react";

function Orders() {
  const { status } = useStatus();
  const { data } = useCollection("orders", { where: { status: "open" }, order: "id.desc" });
  const { lastEvent } = useEvents({ types: ["orders_updated"] });
  return (
    <main>
      <output>{status}</output>
      <ul>{data?.map((order) => <li key={order.id}>{order.note}</li>)}</ul>
      <b>{lastEvent?.type}</b>
    </main>
  );
}

createRoot(document.getElementById("app")).render(<StrictMode><Orders /></StrictMode>);
