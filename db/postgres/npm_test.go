package postgres

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const fakePostgres = "#!/bin/sh\necho 'postgres (PostgreSQL) 18.4'\n"

// archive builds a package from headers that give the name, content and type of each entry.
func archive(t *testing.T, entries ...tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	zipped := gzip.NewWriter(&buf)
	w := tar.NewWriter(zipped)
	for _, h := range entries {
		content := h.Linkname // the content, so that an entry is one literal
		h.Mode, h.Size = 0o755, int64(len(content))
		if h.Typeflag == tar.TypeSymlink {
			h.Size = 0
		} else {
			h.Linkname = ""
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write([]byte(content)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func goodArchive(t *testing.T) []byte {
	return archive(t,
		tar.Header{Name: "package/package.json", Linkname: "{}"},
		tar.Header{Name: "package/native/bin/postgres", Linkname: fakePostgres},
		tar.Header{Name: "package/native/bin/initdb", Linkname: "#!/bin/sh\n"},
		tar.Header{Name: "package/native/lib/libpq.so.5.18", Linkname: "library"},
		tar.Header{Name: "package/native/pg-symlinks.json",
			Linkname: `[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so"}]`},
	)
}

// fakeNPM returns a finder whose npm writes the given package.
func fakeNPM(t *testing.T, content []byte) finder {
	t.Helper()
	root := t.TempDir()
	tarball := filepath.Join(root, "package.tgz")
	if err := os.WriteFile(tarball, content, 0o600); err != nil {
		t.Fatal(err)
	}
	writeProgram(t, filepath.Join(root, "path", "npm"),
		`test "$1 $3" = "pack @embedded-postgres/test@18.4.0" && cp `+tarball+` fetched.tgz`)
	sum := sha512.Sum512(content)
	return finder{
		root: root, path: []string{filepath.Join(root, "path")},
		pkgs: pinned("test", "18.4.0", base64.StdEncoding.EncodeToString(sum[:])),
	}
}

func TestFetchThenCache(t *testing.T) {
	f := fakeNPM(t, goodArchive(t))
	cache := filepath.Join(f.root, "cache")
	if _, err := f.find(t.Context(), Options{CacheDir: cache}); err == nil {
		t.Error("fetched although Options.Fetch is false")
	}
	for _, want := range []string{SourceNPM, SourceCache} {
		got, err := f.find(t.Context(), Options{CacheDir: cache, Fetch: true})
		if err != nil || got.Source != want || got.Major != 18 {
			t.Fatalf("found %v, %v, want source %q", got, err, want)
		}
	}
	content, err := os.ReadFile(filepath.Join(f.pkgs[0].dir(cache), "lib", "libpq.so"))
	if err != nil || string(content) != "library" {
		t.Errorf("read through the link: %q, %v", content, err)
	}
	entries, err := os.ReadDir(cache)
	if err != nil || len(entries) != 1 {
		t.Errorf("the cache holds %v, %v, want only the server", entries, err)
	}
}

func TestFetchRefusesAnUnpinnedPackage(t *testing.T) {
	f := fakeNPM(t, goodArchive(t))
	f.pkgs[0].sha512 = "AAAA"
	cache := filepath.Join(f.root, "cache")
	_, err := f.find(t.Context(), Options{CacheDir: cache, Fetch: true})
	checkError(t, err, "not the pinned AAAA")
	if entries, err := os.ReadDir(cache); err != nil || len(entries) != 0 {
		t.Errorf("the cache holds %v, %v, want nothing", entries, err)
	}
}

func TestFetchErrors(t *testing.T) {
	f := fakeNPM(t, goodArchive(t))
	cache := filepath.Join(f.root, "cache")

	f.path = nil
	_, err := f.find(t.Context(), Options{CacheDir: cache, Fetch: true})
	checkError(t, err, "or npm")

	f.path = []string{filepath.Join(f.root, "offline")}
	writeProgram(t, filepath.Join(f.path[0], "npm"), "echo no network >&2; exit 1")
	_, err = f.find(t.Context(), Options{CacheDir: cache, Fetch: true})
	checkError(t, err, "no network")

	_, err = f.find(t.Context(), Options{CacheDir: cache, Fetch: true, Major: 15})
	checkError(t, err, "find PostgreSQL 15")
}

func TestUnpackRefusesPathsOutside(t *testing.T) {
	tests := map[string]tar.Header{
		"dots":     {Name: "package/native/../../evil", Linkname: "x"},
		"absolute": {Name: "package/native//evil", Linkname: "x"},
		"link":     {Name: "package/native/evil", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink},
		"list out": {Name: "package/native/pg-symlinks.json", Linkname: `[{"source":"native/../../x","target":"native/y"}]`},
		"list to":  {Name: "package/native/pg-symlinks.json", Linkname: `[{"source":"native/pg-symlinks.json","target":"../y"}]`},
		"list no":  {Name: "package/native/pg-symlinks.json", Linkname: `[{"source":"native/missing","target":"native/y"}]`},
	}
	for name, entry := range tests {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			tarball := filepath.Join(parent, "package.tgz")
			if err := os.WriteFile(tarball, archive(t, entry), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := unpack(tarball, filepath.Join(parent, "out")); err == nil {
				t.Error("unpack accepted the archive")
			}
			if entries, err := os.ReadDir(parent); err != nil || len(entries) != 2 {
				t.Errorf("the parent holds %v, %v", entries, err)
			}
		})
	}
}

// The data directory of an older version needs a server of that version, not the newest.
func TestFetchTheWantedVersion(t *testing.T) {
	f := fakeNPM(t, goodArchive(t))
	f.pkgs = append(pinned("test", "19.0.0", "AAAA"), f.pkgs...)
	got, err := f.find(t.Context(), Options{CacheDir: filepath.Join(f.root, "cache"), Fetch: true, Major: 18})
	if err != nil || got.Major != 18 {
		t.Errorf("found %v, %v, want PostgreSQL 18", got, err)
	}
}

func TestPinnedPackages(t *testing.T) {
	for i, p := range pinnedPackages() {
		if sum, err := base64.StdEncoding.DecodeString(p.sha512); err != nil || len(sum) != sha512.Size {
			t.Errorf("%s: the checksum is no sha512", p.spec())
		}
		if p.major() < MinMajor {
			t.Errorf("%s: older than PostgreSQL %d", p.spec(), MinMajor)
		}
		if i > 0 && !newer(pinnedPackages()[i-1].version, p.version) {
			t.Errorf("%s: not sorted by version, the newest first", p.spec())
		}
	}
}

// TestRealPackage fetches and runs the package that a user without PostgreSQL gets.
func TestRealPackage(t *testing.T) {
	npm, err := exec.LookPath("npm")
	pkg, published := finder{pkgs: pinnedPackages()}.pinnedFor(0)
	wanted := os.Getenv("PGHERALD_TEST_NPM") != ""
	if !wanted && (testing.Short() || err != nil || !published) {
		t.Skip("set PGHERALD_TEST_NPM=1 to fetch PostgreSQL through npm")
	}
	dir := tempDir(t)
	inst, err := pkg.fetch(t.Context(), npm, Options{CacheDir: filepath.Join(dir, "cache")})
	if err != nil && !wanted {
		t.Skipf("npm cannot fetch here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if inst.Version != "18.4" {
		t.Errorf("fetched version %q", inst.Version)
	}
	c := startIn(t, inst, filepath.Join(dir, "data"))
	if got := query(t, c, "select current_setting('server_version_num')::int / 10000"); got != "18" {
		t.Errorf("the server reports version %s", got)
	}
}
