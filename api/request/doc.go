// Package request reads JSON bodies and query strings strictly, and writes JSON responses.
//
// It promises that it accepts only values that it can pass on exactly as the client sent them and that a UTF-8
// database can store. Every error is a *problem.Problem that lists all mistakes.
package request
