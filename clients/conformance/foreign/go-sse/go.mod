module github.com/pgherald/pgherald/clients/conformance/foreign/go-sse

go 1.26.0

require github.com/tmaxmax/go-sse v0.12.0
