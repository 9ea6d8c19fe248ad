// Package limit decides whether somebody may open another stream: by how many there are, how many are the
// same user's or come from the same address, and how fast an address opens them.
//
// # Promises
//
//   - Nobody who is in is ever sent away for somebody who comes.
//   - Who is refused is told when to come again, at random, so that those who were refused together do not
//     return together.
//   - An address is what the network says, or what a trusted proxy says, and never what the client says.
//   - What is remembered is bounded by those who are in and those who came lately.
package limit
