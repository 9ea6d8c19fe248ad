// Makes tokens, and servers that require them.

import { createHmac } from 'node:crypto';

const SECRET = 'a secret of the scenarios, 32 bytes';

/** Signs a JWT with HS256. */
export function token(claims) {
  const signed = [{ alg: 'HS256' }, { iss: 'issuer', aud: 'pgherald', ...claims }].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}

/** Starts a server that requires tokens. It takes them for 10 s after their end. */
export const jwtServer = (world, { args = [], ...site } = {}) => world.site({ ...site, args: ['--auth=jwt', `--jwt-secret=${SECRET}`, '--jwt-issuer=issuer', '--jwt-audience=pgherald', ...args] });
