// Package conformance tests clients of pgherald's protocol, in any language, with a scripted server.
//
// The suite starts a client's adapter, a small program, and speaks with it in lines of JSON:
//
//	adapter → {"ready":true,"can":["events","collections","tokens","order","pages"]}
//	suite   → {"start":"cut-transaction","url":"http://127.0.0.1:1234/cut-transaction","open":"events"}
//	adapter → {"id":"cut-transaction","event":{"id":1,"type":"a","data":{}}}
//	suite   → {"stop":"cut-transaction"}
//
// Scenarios run at the same time in one process. README.md has the whole of the line protocol.
package conformance
