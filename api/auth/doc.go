// Package auth says who a request comes from.
//
// # Promises
//
//   - An Identity is a plain value. Whoever needs it is handed it; it travels in no context.
//   - Whoever comes with something that does not hold is refused. Nobody becomes anonymous by that.
//   - An error says which check failed and nothing that helps to pass it, and no error and no log
//     line holds a token or a part of one.
package auth
