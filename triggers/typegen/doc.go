// Package typegen writes types for programs that read collections: TypeScript, Go and JSON Schema. They come from the
// columns of the tables, so that a program which compiles with them knows which values may be null.
//
// The same collections give the same text: a build can compare it with the file in its repository.
package typegen
