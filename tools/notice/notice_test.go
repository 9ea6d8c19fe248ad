package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	mit = "MIT License\n\nPermission is hereby granted, free of charge, to any\nperson obtaining a copy of this"
	gpl = "GNU GENERAL PUBLIC LICENSE"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestEqualLicencesAppearOnce(t *testing.T) {
	got, err := notice([]licence{{"b", mit + "\r\n\r\n"}, {"a", mit}, {"a", mit + " \n"}, {"a", "by A\n"}})
	if err != nil {
		t.Fatal(err)
	}
	rest := strings.TrimPrefix(string(got), header)
	line := "\n" + strings.Repeat("=", 80) + "\n"
	if want := line + "a\nb\n\n" + mit + "\n" + line + "a\n\nby A\n"; rest != want {
		t.Errorf("got\n%s\nwant\n%s", rest, want)
	}
}

func TestUnknownLicencesAreRefused(t *testing.T) {
	if _, err := notice([]licence{{"a", mit}, {"b", gpl}}); err == nil || !strings.HasPrefix(err.Error(), "b has a licence") {
		t.Errorf("error %v", err)
	}
}

// A package is under the licences of its own folder and of those above it, but not of those beside it.
func TestLicencesOfAPackage(t *testing.T) {
	module := t.TempDir()
	write(t, filepath.Join(module, "LICENSE.txt"), mit)
	write(t, filepath.Join(module, "internal", "borrowed", "COPYING"), mit+" borrowed")
	write(t, filepath.Join(module, "internal", "borrowed", "licence.go"), "package borrowed")
	write(t, filepath.Join(module, "other", "LICENSE"), gpl)
	p := goPackage{Dir: filepath.Join(module, "internal", "borrowed")}
	p.Module = &struct {
		Path, Dir string
		Main      bool
	}{Path: "example.org/m", Dir: module}
	found := make(map[string]licence)
	if err := addLicences(found, p); err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, l := range found {
		names[l.name] = true
	}
	if len(found) != 2 || !names["example.org/m"] || !names["example.org/m/internal/borrowed"] {
		t.Errorf("found %v", found)
	}
	if err := os.Remove(filepath.Join(module, "LICENSE.txt")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(module, "NOTICE"), "by M")
	p.Dir = module
	if err := addLicences(make(map[string]licence), p); err == nil {
		t.Error("a module without a licence is accepted")
	}
}

func TestLicencesOfBundledPackages(t *testing.T) {
	scripts, texts := t.TempDir(), t.TempDir()
	write(t, filepath.Join(scripts, "a.js"), "// src/errors.ts\n\n// node_modules/p/dist/index.js\n// ../node_modules/@scope/q/x.js\n")
	write(t, filepath.Join(texts, "p.txt"), mit)
	if _, err := bundledLicences(scripts, texts); err == nil || !strings.Contains(err.Error(), "@scope/q") {
		t.Errorf("a package without a licence gives the error %v", err)
	}
	write(t, filepath.Join(texts, "@scope", "q.txt"), mit)
	found, err := bundledLicences(scripts, texts)
	if err != nil || len(found) != 2 {
		t.Errorf("found %v, %v", found, err)
	}
}
