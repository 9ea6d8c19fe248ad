package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// A secret on the command line is reported without the secret. One from the environment or a file is not.
func TestSecretsOnTheCommandLine(t *testing.T) {
	const secret = "sesame-sesame-sesame-sesame-sesame"
	const plain, withPassword = "--database-url=postgres://u@127.0.0.1:1/d", "--database-url=postgres://u:" + secret + "@127.0.0.1:1/d"
	file := writeFile(t, "pgherald.yaml", "database-url: postgres://u:"+secret+"@127.0.0.1:1/d\n")
	jwt := []string{"--auth=jwt", "--jwt-issuer=i", "--jwt-audience=a"}
	check := []string{"config", "check"}
	for name, c := range map[string]struct {
		args []string
		env  map[string]string
		want string
	}{
		"a password in a URL":   {append(check, withPassword), nil, "--database-url"},
		"a password as keyword": {append(check, "--database-url=host=h password="+secret), nil, "--database-url"},
		"a password as query":   {append(check, "--database-url=postgres://h/d?password="+secret), nil, "--database-url"},
		"another URL":           {append(check, plain, "--listen-database-url=postgres://u:"+secret+"@h/d"), nil, "--listen-database-url"},
		"a JWT secret":          {append(append(check, plain, "--jwt-secret="+secret), jwt...), nil, "--jwt-secret"},
		"another command":       {[]string{"migrate", "status", withPassword}, nil, "--database-url"},
		"a token in a header":   {[]string{"tail", "http://127.0.0.1:1", "-H", "Authorization: Bearer " + secret}, nil, "--header"},
		"another header":        {[]string{"tail", "http://127.0.0.1:1", "-H", "Accept-Language: de"}, nil, ""},
		"a header from outside": {[]string{"tail", "http://127.0.0.1:1"}, map[string]string{"PGHERALD_HEADER": "Authorization: Bearer " + secret}, ""},
		"serve":                 {[]string{"serve", "--addr=127.0.0.1:0", withPassword}, nil, "--database-url"},
		"a malformed URL":       {append(check, "--database-url=postgres://u:"+secret+"@h:port/d"), nil, ""},
		"a malformed string":    {append(check, "--database-url=host=h port=x password="+secret), nil, ""},
		"a malformed JWKS URL":  {append(append(check, plain, "--jwt-jwks=https://u:"+secret+"@h:port/d"), jwt...), nil, "--jwt-jwks"},
		"a JWKS URL":            {append([]string{"serve", plain, "--jwt-jwks=https://u:" + secret + "@127.0.0.1:1/d"}, jwt...), nil, "--jwt-jwks"},
		"a JWKS URL, not https": {append([]string{"serve", plain, "--jwt-jwks=http://u:" + secret + "@192.0.2.1/d"}, jwt...), nil, "--jwt-jwks"},
		"no password":           {append(check, plain), nil, ""},
		"the environment":       {append(append(check, plain), jwt...), map[string]string{"PGHERALD_JWT_SECRET": secret}, ""},
		"a URL in it":           {check, map[string]string{"DATABASE_URL": "postgres://u:" + secret + "@127.0.0.1:1/d"}, ""},
		"a file":                {append(check, "--config="+file), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for variable, value := range c.env {
				t.Setenv(variable, value)
			}
			var stdout, stderr bytes.Buffer
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // the warning comes first
			run(ctx, c.args, &stdout, &stderr)
			log := stderr.String()
			if warned := strings.Contains(log, "on the command line"); warned != (c.want != "") || !strings.Contains(log, c.want) {
				t.Errorf("log output %s, want a warning about %q", log, c.want)
			}
			if strings.Contains(log+stdout.String(), secret) {
				t.Errorf("the output contains the secret: %s%s", log, stdout.String())
			}
		})
	}
}
