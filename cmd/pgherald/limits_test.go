package main

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func TestLimitFlags(t *testing.T) {
	for args, want := range map[string]string{
		"--max-connections=-1":                                "0 or more",
		"--connection-rate=-0.5":                              "0 or more",
		"--trusted-proxies=10.0.0.0/33":                       "neither an address nor a network",
		"--trusted-proxies=proxy.example":                     "neither an address nor a network",
		"--forwarded-header=X-Real-IP":                        "must be one of",
		"--cors-credentials":                                  "name the origins",
		"--cors-origins=app.example.com":                      "is no origin",
		"--cors-origins=none --cors-credentials":              "none is allowed",
		"--heartbeat=4m --write-timeout=2m":                   "without a successful write",
		"--trusted-proxies=10.0.0.0/8,::1,192.0.2.1":          "",
		"--cors-origins=none":                                 "",
		"--cors-origins=https://a.example,http://b.example:8": "",
		"--cors-origins=https://a.example --cors-credentials": "",
	} {
		var c struct {
			Serve serveCmd `cmd:""`
		}
		parser, err := kong.New(&c)
		if err != nil {
			t.Fatal(err)
		}
		_, err = parser.Parse(append([]string{"serve", "--database-url=x"}, strings.Fields(args)...))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}
