package postgres

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// These tests write programs and run them. They are not parallel: a concurrent fork would inherit a descriptor
// that is open for writing, and then the program cannot run.

// fakePrograms creates a bin directory whose postgres reports the version.
func fakePrograms(t *testing.T, dir, version string) string {
	t.Helper()
	writeProgram(t, filepath.Join(dir, "postgres"), fmt.Sprintf("echo 'postgres (PostgreSQL) %s (Fake 1)'", version))
	writeProgram(t, filepath.Join(dir, "initdb"), "exit 0")
	return dir
}

func writeProgram(t *testing.T, path, script string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestFindOrder(t *testing.T) {
	tests := []struct {
		name    string
		path    string            // version of the one on PATH
		system  map[string]string // directory below the root: version
		major   int
		want    string
		source  string
		wantErr string
	}{
		{name: "nothing", wantErr: "install"},
		{name: "PATH", path: "15.2", want: "15.2", source: SourcePath},
		{name: "newest of Debian's", system: map[string]string{
			"usr/lib/postgresql/9.6/bin": "9.6.24", "usr/lib/postgresql/14/bin": "14.9", "usr/lib/postgresql/17/bin": "17.1",
		}, want: "17.1", source: SourceSystem},
		{name: "system newer than PATH", path: "15.2", system: map[string]string{"usr/pgsql-16/bin": "16.0"}, want: "16.0", source: SourceSystem},
		{name: "minor counts", path: "15.2", system: map[string]string{"usr/local/pgsql/bin": "15.10"}, want: "15.10", source: SourceSystem},
		{name: "PATH wins a tie", path: "15.2", system: map[string]string{"usr/local/pgsql/bin": "15.2"}, want: "15.2", source: SourcePath},
		{name: "Homebrew", system: map[string]string{"opt/homebrew/opt/postgresql@17/bin": "17.5"}, want: "17.5", source: SourceSystem},
		{name: "beta", system: map[string]string{"usr/libexec/postgresql19": "19beta1"}, want: "19beta1", source: SourceSystem},
		{name: "too old", path: "12.9", wantErr: "found only PostgreSQL 12.9"},
		{name: "wanted major", path: "17.1", system: map[string]string{"usr/lib/postgresql/15/bin": "15.3"}, major: 15, want: "15.3", source: SourceSystem},
		{name: "wanted major is missing", path: "17.1", major: 15, wantErr: "find PostgreSQL 15: found only PostgreSQL 17.1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			f := finder{root: root, path: []string{filepath.Join(root, "path")}}
			if tt.path != "" {
				fakePrograms(t, f.path[0], tt.path)
			}
			for dir, version := range tt.system {
				fakePrograms(t, filepath.Join(root, dir), version)
			}
			got, err := f.find(t.Context(), Options{CacheDir: filepath.Join(root, "cache"), Major: tt.major})
			checkError(t, err, tt.wantErr)
			if got.Version != tt.want || got.Source != tt.source {
				t.Errorf("found %v, want version %q from %q", got, tt.want, tt.source)
			}
		})
	}
}

func checkError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Fatalf("got error %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Fatalf("got error %v, want one with %q", err, want)
	}
}

func TestFindUsesPgConfig(t *testing.T) {
	root := t.TempDir()
	elsewhere := fakePrograms(t, filepath.Join(root, "elsewhere"), "16.4")
	writeProgram(t, filepath.Join(root, "path", "pg_config"), `test "$1" = --bindir && echo `+elsewhere)
	f := finder{root: root, path: []string{filepath.Join(root, "path")}}
	got, err := f.find(t.Context(), Options{})
	if err != nil || got.BinDir != elsewhere || got.Source != SourceSystem {
		t.Errorf("found %v, %v, want the one in %s", got, err, elsewhere)
	}
}

func TestFindSkipsBrokenInstallations(t *testing.T) {
	root := t.TempDir()
	broken := fakePrograms(t, filepath.Join(root, "usr/lib/postgresql/18/bin"), "18.1")
	writeProgram(t, filepath.Join(broken, "postgres"), "echo wrong libc >&2; exit 127")
	clientOnly := fakePrograms(t, filepath.Join(root, "usr/lib/postgresql/17/bin"), "17.1")
	if err := os.Remove(filepath.Join(clientOnly, "initdb")); err != nil {
		t.Fatal(err)
	}
	fakePrograms(t, filepath.Join(root, "usr/lib/postgresql/16/bin"), "16.1")
	got, err := finder{root: root}.find(t.Context(), Options{})
	if err != nil || got.Major != 16 {
		t.Errorf("found %v, %v, want the working one", got, err)
	}
}

func TestExplicitIsUsedOrRefused(t *testing.T) {
	root := t.TempDir()
	old := fakePrograms(t, filepath.Join(root, "old"), "12.3")
	good := fakePrograms(t, filepath.Join(root, "good"), "14.1")
	// Find must not use the newer installed one.
	f := finder{root: root}
	fakePrograms(t, filepath.Join(root, "usr/local/pgsql/bin"), "18.0")
	tests := []struct{ dir, want, wantErr string }{
		{dir: good, want: "14.1"},
		{dir: old, wantErr: "it is PostgreSQL 12.3, pgherald needs 13 or newer"},
		{dir: filepath.Join(root, "missing"), wantErr: "find the program postgres"},
	}
	for _, tt := range tests {
		got, err := f.find(t.Context(), Options{BinDir: tt.dir, Fetch: true})
		checkError(t, err, tt.wantErr)
		if got.Version != tt.want {
			t.Errorf("found %v in %s, want %q", got, tt.dir, tt.want)
		}
	}
}

func TestFindEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := finder{root: t.TempDir()}.find(ctx, Options{Fetch: true})
	checkError(t, err, "context canceled")
}
