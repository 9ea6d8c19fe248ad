import { Orders } from "./orders";

/** The address is that of the running application, not of its build. */
export const dynamic = "force-dynamic";

export default function Page() {
  return <Orders url={process.env.PGHERALD_URL ?? "http://127.0.0.1:8080"} />;
}
