package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestConvert(t *testing.T) {
	var out bytes.Buffer
	text := `
nfpms:
  - package_name: p
    formats: [deb]
    license: L
    overrides: { deb: { dependencies: [a] } }
    contents: [{ src: a, dst: /a }]
`
	if err := convert(&out, []byte(text), "bin/p", "1.2.3", "arm64"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"name: p\n", "version: 1.2.3\n", "arch: arm64\n", "license: L\n", "dst: /a\n", "src: bin/p\n", "depends:\n    - a\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, out.String())
		}
	}
	for name, change := range map[string][2]string{
		"an unknown key":      {"license: L", "umask: 2"},
		"an unknown override": {"dependencies: [a]", "scripts: {}"},
		"no package":          {"nfpms:", "others:"},
	} {
		if err := convert(&out, []byte(strings.Replace(text, change[0], change[1], 1)), "bin/p", "1", "amd64"); err == nil {
			t.Errorf("%s is no error", name)
		}
	}
}

func TestConvertTheRelease(t *testing.T) {
	text, err := os.ReadFile("../../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := convert(&bytes.Buffer{}, text, "bin/pgherald", "1.2.3", "amd64"); err != nil {
		t.Error(err)
	}
}
