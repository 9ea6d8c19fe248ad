// Package request reads JSON bodies and query strings strictly, and writes JSON responses.
//
// It promises that a value it accepts is the value that the client sent: nothing is replaced, cut or ignored,
// and a UTF-8 database can store it. Every error is a *problem.Problem that names all mistakes at once.
package request
