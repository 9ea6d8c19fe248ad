// GET /session of a Next.js application: pgherald asks it whose session a request has (--auth-url). It uses nothing of
// Next.js, so that it also runs elsewhere; a test calls it in Node.
//
// Copy it to app/session/route.js, and replace findSession by your own, such as that of Auth.js or iron-session.
import { findSession } from "../../sessions.js";

export const dynamic = "force-dynamic"; // Next.js must not build the answer once for all

export async function GET(request) {
  const session = await findSession(request.headers.get("cookie"));
  if (!session) return Response.json({ login: "/login" }, { status: 401 });
  return Response.json(
    { sub: session.user, roles: session.roles, exp: session.expires, jti: session.id },
    { headers: { "Cache-Control": "private, max-age=300" } },
  );
}
