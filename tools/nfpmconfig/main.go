// Command nfpmconfig prints the package of .goreleaser.yaml as a configuration of nfpm, for a program that is built already. A
// test then needs nfpm alone, whose compilation takes a tenth of goreleaser's.
//
//	go run ./tools/nfpmconfig -program=bin/pgherald -version=1.2.3 -arch=amd64 >nfpm.yaml
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/goccy/go-yaml"
)

func main() {
	config := flag.String("config", ".goreleaser.yaml", "the file that describes the package")
	program := flag.String("program", "", "the program to install as /usr/bin/pgherald")
	version := flag.String("version", "", "version of the package")
	arch := flag.String("arch", "amd64", "architecture, as Go names it")
	flag.Parse()
	text, err := os.ReadFile(*config)
	if err == nil {
		err = convert(os.Stdout, text, *program, *version, *arch)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "nfpmconfig:", err)
		os.Exit(1)
	}
}

// same are the keys that goreleaser and nfpm share.
func same() []string {
	return []string{"vendor", "homepage", "maintainer", "description", "license", "section", "priority", "recommends", "suggests", "scripts"}
}

// known are the other keys that convert understands, or that say nothing about one package. An unknown key is an error: the
// package under test would differ from the released one.
func known() []string {
	return []string{"id", "package_name", "formats", "file_name_template", "mtime", "overrides", "contents", "dependencies"}
}

// convert writes the configuration of the one package in a file for goreleaser.
func convert(w io.Writer, text []byte, program, version, arch string) error {
	var release struct {
		Packages []map[string]any `yaml:"nfpms"`
	}
	if err := yaml.Unmarshal(text, &release); err != nil {
		return fmt.Errorf("read the packages: %w", err)
	}
	if len(release.Packages) != 1 {
		return fmt.Errorf("read the packages: there are %d, want one", len(release.Packages))
	}
	from := release.Packages[0]
	to := map[string]any{
		"name": from["package_name"], "version": version, "arch": arch, "platform": "linux", "mtime": "1970-01-01T00:00:00Z",
		"depends": from["dependencies"],
	}
	for _, key := range same() {
		to[key] = from[key]
		delete(from, key)
	}
	contents, _ := from["contents"].([]any)
	to["contents"] = append(contents, map[string]any{"src": program, "dst": "/usr/bin/pgherald", "file_info": map[string]any{"mode": 0o755}})
	overrides, err := convertOverrides(from["overrides"])
	if err != nil {
		return err
	}
	to["overrides"] = overrides
	for _, key := range known() {
		delete(from, key)
	}
	for key := range from {
		return fmt.Errorf("convert the key %s of the package: teach tools/nfpmconfig what it means", key)
	}
	out, err := yaml.Marshal(to)
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	_, err = w.Write(out)
	return err
}

// convertOverrides converts what differs between formats: dependencies alone.
func convertOverrides(overrides any) (map[string]any, error) {
	out := make(map[string]any)
	formats, _ := overrides.(map[string]any)
	for format, override := range formats {
		fields, _ := override.(map[string]any)
		if fields["dependencies"] == nil || len(fields) != 1 {
			return nil, fmt.Errorf("convert the overrides of %s: teach tools/nfpmconfig what they mean", format)
		}
		out[format] = map[string]any{"depends": fields["dependencies"]}
	}
	return out, nil
}
