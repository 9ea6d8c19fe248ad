// Package schema describes the HTTP API and its events for programs: as a JSON Schema of all rows and envelopes, as an
// OpenAPI 3.1 document and as an AsyncAPI 3.0 document.
//
// # Promises
//
//   - The three documents are made from one source: the collections, the types of the spec's events, and the routes of the
//     server's router. A route that the server does not have is in none of them.
//   - What the server sends validates against them. Columns that are left out of events are left out here, too.
//   - The schemas mean the same in JSON Schema 2020-12, which OpenAPI uses, and in draft 7, which AsyncAPI uses.
package schema
