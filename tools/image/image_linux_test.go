package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// source is a program that says how it was started.
const source = `package main

import (
	"fmt"
	"os"
)

func main() {
	_, err := os.Stat("/etc/ssl/certs/ca-certificates.crt")
	_, shell := os.Stat("/bin/sh")
	fmt.Println(os.Getuid(), os.Getgid(), os.Args[1:], err == nil, os.IsNotExist(shell))
}
`

func build(t *testing.T, source string, env ...string) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "main.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(folder, "program")
	command := exec.Command("go", "build", "-o", program, filepath.Join(folder, "main.go"))
	command.Env = append(os.Environ(), env...)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

func newImage(t *testing.T, program string) image {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"certificates", "LICENSE", "NOTICE"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("none\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return image{program: program, arch: runtime.GOARCH, version: "1.2.3", certificates: filepath.Join(folder, "certificates"), licences: folder}
}

// untar returns the files of a tar.
func untar(t *testing.T, text []byte) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	for r := tar.NewReader(bytes.NewReader(text)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if files[h.Name], err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// configuration holds the part of an image's configuration that the test checks.
type configuration struct {
	Architecture string
	Config       struct {
		User            string
		Entrypoint, Cmd []string
		Healthcheck     struct{ Test []string }
	}
	Rootfs struct {
		DiffIDs []string `json:"diff_ids"`
	}
}

// open reads an image as a container engine does: index, manifest, configuration, layers. It checks each digest.
func open(t *testing.T, text []byte) (c configuration, root map[string][]byte) {
	t.Helper()
	files := untar(t, text)
	blob := func(d descriptor) []byte {
		data := files["blobs/sha256/"+strings.TrimPrefix(d.Digest, "sha256:")]
		if digest(data) != d.Digest || len(data) != d.Size {
			t.Fatalf("blob %+v has %d bytes and digest %s", d, len(data), digest(data))
		}
		return data
	}
	var index struct{ Manifests []descriptor }
	decode(t, files["index.json"], &index)
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	decode(t, blob(index.Manifests[0]), &manifest)
	decode(t, blob(manifest.Config), &c)
	root = make(map[string][]byte)
	for i, l := range manifest.Layers {
		r, err := gzip.NewReader(bytes.NewReader(blob(l)))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if digest(plain) != c.Rootfs.DiffIDs[i] {
			t.Errorf("layer %d has digest %s, and the configuration says %s", i, digest(plain), c.Rootfs.DiffIDs[i])
		}
		for name, data := range untar(t, plain) {
			root[name] = data
		}
	}
	return c, root
}

func decode(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

// The image has the program, certificates and licences, is the same each time, and its command runs as its user in its root.
func TestImage(t *testing.T) {
	i := newImage(t, build(t, source, "CGO_ENABLED=0"))
	text, err := i.pack()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := i.pack(); err != nil || !bytes.Equal(text, again) {
		t.Errorf("a second image differs, %v", err)
	}
	c, root := open(t, text)
	for _, name := range []string{"pgherald", "LICENSE", "NOTICE", "etc/ssl/certs/ca-certificates.crt"} {
		if len(root[name]) == 0 {
			t.Errorf("the image has no %s", name)
		}
	}
	if len(root) != 4 || c.Config.User != userID || c.Architecture != runtime.GOARCH {
		t.Fatalf("%d files, %+v", len(root), c)
	}
	if got := strings.Join(c.Config.Healthcheck.Test, " "); got != "CMD /pgherald healthcheck --quiet" {
		t.Errorf("health check %q", got)
	}
	if os.Getuid() != 0 {
		t.Skip("only root can change the root")
	}
	folder := t.TempDir()
	for name, data := range root {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(c.Config.Entrypoint[0], append(c.Config.Entrypoint[1:], c.Config.Cmd...)...)
	command.Dir, command.Env = "/", []string{}
	command.SysProcAttr = &syscall.SysProcAttr{Chroot: folder, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	out, err := command.CombinedOutput()
	if want := "65532 65532 [--log-format=json serve] true true\n"; err != nil || string(out) != want {
		t.Errorf("%q, %v; want %q", out, err, want)
	}
}

func TestDynamicProgramsAreRefused(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("no C compiler on this machine")
	}
	program := build(t, "package main\n\nimport \"C\"\n\nfunc main() {}\n", "CGO_ENABLED=1")
	if _, err := newImage(t, program).pack(); err == nil || !strings.Contains(err.Error(), "CGO_ENABLED=0") {
		t.Errorf("%v", err)
	}
}

// A program for another machine or system would not start, although the image says that it does.
func TestProgramsForOthersAreRefused(t *testing.T) {
	i := newImage(t, build(t, source, "CGO_ENABLED=0"))
	program, err := os.ReadFile(i.program)
	if err != nil {
		t.Fatal(err)
	}
	const machine = 18 // where an ELF header has it
	for name, c := range map[string]struct {
		arch   string
		change func([]byte)
		want   string
	}{
		"another machine":         {i.arch, func(p []byte) { p[machine] = byte(elf.EM_RISCV) }, "EM_RISCV"},
		"an unknown architecture": {"mips", func([]byte) {}, "-arch is mips"},
		"another system":          {i.arch, func(p []byte) { copy(p, "\xcf\xfa\xed\xfe") }, "GOOS=linux"}, // macOS
	} {
		t.Run(name, func(t *testing.T) {
			changed := bytes.Clone(program)
			c.change(changed)
			if err := check(changed, c.arch); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
