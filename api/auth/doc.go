// Package auth says who a request comes from.
//
// A token is a JWT. It comes as a Bearer header, in the cookie __Host-pgherald, or, where that is
// switched on, in the URL. What a token must be is fixed beforehand and not for the token to say:
// its keys, and with them the methods of signing, its issuer, its audience, and that it ends.
//
// # Promises
//
//   - An Identity is a plain value. Whoever needs it is handed it; it travels in no context.
//   - Whoever comes with something that does not hold is refused. Nobody becomes anonymous by that.
//   - Of what a token says nothing is looked at, and nothing answered, before its signature holds.
//   - An error says which check failed and nothing that helps to pass it, and no error and no log
//     line holds a token or a part of one.
package auth
