import { createHmac, timingSafeEqual } from "node:crypto";

// The sessions of the example: a signed cookie, session=USER.EXPIRES.SIGNATURE. Set SESSION_SECRET.
const secret = () => process.env.SESSION_SECRET ?? "";

const sign = (text) => createHmac("sha256", secret()).update(text).digest("base64url");

/** Returns the cookie of a user's new session, which lasts for a number of seconds. */
export function newSession(user, seconds) {
  const text = `${Buffer.from(user).toString("base64url")}.${Math.floor(Date.now() / 1000) + seconds}`;
  return `session=${text}.${sign(text)}`;
}

/** Returns the session of a request's cookies, or null. */
export async function findSession(cookies) {
  const value = /(?:^|; )session=([^;]+)/.exec(cookies ?? "")?.[1];
  const [user, expires, signature] = (value ?? "").split(".");
  if (secret().length < 32 || signature === undefined) return null;
  const [want, got] = [sign(`${user}.${expires}`), signature].map((text) => Buffer.from(text));
  if (want.length !== got.length || !timingSafeEqual(want, got) || Number(expires) <= Date.now() / 1000) return null;
  return { user: Buffer.from(user, "base64url").toString(), roles: ["nurse"], expires: Number(expires), id: signature };
}
