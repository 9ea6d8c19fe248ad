// Serves GET of app/session/route.js without Next.js, for the test: node serve.mjs ROUTE. It logs its address as JSON.
import { createServer } from "node:http";
import { GET } from "./app/session/route.js";
import { newSession } from "./sessions.js";

const server = createServer(async (request, response) => {
  if (request.url === "/login") {
    response.setHeader("Set-Cookie", newSession("alice", 3600));
    return response.end();
  }
  const answer = await GET(new Request("http://localhost" + request.url, { headers: request.headers }));
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  response.end(await answer.text());
});
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => {
  console.error(JSON.stringify({ msg: "listening", url: `http://127.0.0.1:${server.address().port}` }));
});
