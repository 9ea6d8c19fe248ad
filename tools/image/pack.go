package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
)

// image describes an image.
type image struct {
	program, arch, version, certificates, licences string
}

// userID is the user of the image, as in images that Google calls nonroot.
const userID = "65532:65532"

// epoch is the time of all files: the image says nothing about when it was made.
const epoch = "1970-01-01T00:00:00Z"

// descriptor refers to a blob.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// object is JSON with sorted keys.
type object = map[string]any

// file is a file of a tar.
type file struct {
	name string
	mode int64
	data []byte
}

// pack returns the tar of the layout.
func (i image) pack() ([]byte, error) {
	program, err := os.ReadFile(i.program)
	if err != nil {
		return nil, fmt.Errorf("read the program: %w", err)
	}
	if err := check(program, i.arch); err != nil {
		return nil, fmt.Errorf("pack %s: %w", i.program, err)
	}
	certificates, err := os.ReadFile(i.certificates)
	if err != nil {
		return nil, fmt.Errorf("read the certificates: %w", err)
	}
	// The program changes with each version, the certificates hardly: a registry then has their layer already.
	first, err := newLayer(file{"etc/ssl/certs/ca-certificates.crt", 0o644, certificates})
	if err != nil {
		return nil, err
	}
	files := []file{{"pgherald", 0o755, program}}
	for _, name := range []string{"LICENSE", "NOTICE"} {
		text, err := os.ReadFile(filepath.Join(i.licences, name))
		if err != nil {
			return nil, fmt.Errorf("read the licences, which -licences names: %w", err)
		}
		files = append(files, file{name, 0o644, text})
	}
	second, err := newLayer(files...)
	if err != nil {
		return nil, err
	}
	return i.layout(first, second)
}

// check returns an error for a program that is not for Linux on the architecture, or needs a loader, which the image lacks.
func check(program []byte, arch string) error {
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return fmt.Errorf("read it as a program for Linux: %w: build it with GOOS=linux", err)
	}
	defer f.Close()
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	if want, ok := machines[arch]; !ok || f.Machine != want {
		return fmt.Errorf("it is for %v, and -arch is %s: give amd64 or arm64, as it was built (GOARCH)", f.Machine, arch)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("it is linked dynamically, and the image has no libraries: build it with CGO_ENABLED=0")
		}
	}
	return nil
}

// layer is a layer, compressed, with the digest of its tar.
type layer struct {
	compressed []byte
	diffID     string
}

func newLayer(files ...file) (layer, error) {
	text, err := newTar(files)
	if err != nil {
		return layer{}, err
	}
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed)
	if _, err := w.Write(text); err != nil {
		return layer{}, fmt.Errorf("compress a layer: %w", err)
	}
	if err := w.Close(); err != nil {
		return layer{}, fmt.Errorf("compress a layer: %w", err)
	}
	return layer{compressed.Bytes(), digest(text)}, nil
}

// layout writes the blobs and the files that name them.
func (i image) layout(layers ...layer) ([]byte, error) {
	var files []file
	var digests []string
	var descriptors []descriptor
	add := func(mediaType string, data []byte) descriptor {
		d := descriptor{MediaType: mediaType, Digest: digest(data), Size: len(data)}
		files = append(files, file{"blobs/sha256/" + d.Digest[len("sha256:"):], 0o644, data})
		return d
	}
	for _, l := range layers {
		digests = append(digests, l.diffID)
		descriptors = append(descriptors, add("application/vnd.oci.image.layer.v1.tar+gzip", l.compressed))
	}
	config, err := json.Marshal(i.config(digests))
	if err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	const manifestType = "application/vnd.oci.image.manifest.v1+json"
	manifest, err := json.Marshal(object{
		"schemaVersion": 2, "mediaType": manifestType, "config": add("application/vnd.oci.image.config.v1+json", config), "layers": descriptors,
	})
	if err != nil {
		return nil, fmt.Errorf("write the manifest: %w", err)
	}
	d := add(manifestType, manifest)
	d.Annotations = map[string]string{"org.opencontainers.image.ref.name": i.version, "io.containerd.image.name": "pgherald:" + i.version}
	index, err := json.Marshal(object{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []descriptor{d}})
	if err != nil {
		return nil, fmt.Errorf("write the index: %w", err)
	}
	return newTar(append(files, file{"index.json", 0o644, index}, file{"oci-layout", 0o644, []byte(`{"imageLayoutVersion":"1.0.0"}`)}))
}

// config returns what a container starts with. The health check is Docker's extension; Kubernetes has probes of its own.
func (i image) config(layers []string) object {
	const second = 1_000_000_000
	return object{
		"created": epoch, "architecture": i.arch, "os": "linux",
		"config": object{
			"User": userID, "Entrypoint": []string{"/pgherald", "--log-format=json"}, "Cmd": []string{"serve"},
			"ExposedPorts": object{"8080/tcp": object{}, "9090/tcp": object{}}, "StopSignal": "SIGTERM",
			"Env": []string{"PATH=/"}, "WorkingDir": "/",
			"Healthcheck": object{"Test": []string{"CMD", "/pgherald", "healthcheck", "--quiet"}, "Interval": 10 * second, "Timeout": 5 * second, "Retries": 3},
			"Labels": object{
				"org.opencontainers.image.source": "https://github.com/pgherald/pgherald", "org.opencontainers.image.licenses": "Apache-2.0",
				"org.opencontainers.image.version": i.version,
			},
		},
		"rootfs": object{"type": "layers", "diff_ids": layers},
	}
}

// newTar returns a tar of files and of the folders above them.
func newTar(files []file) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	seen := map[string]bool{".": true}
	for _, f := range files {
		if err := addFolders(w, path.Dir(f.name), seen); err != nil {
			return nil, err
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.data))}); err != nil {
			return nil, fmt.Errorf("pack %s: %w", f.name, err)
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, fmt.Errorf("pack %s: %w", f.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("end a tar: %w", err)
	}
	return b.Bytes(), nil
}

func addFolders(w *tar.Writer, folder string, seen map[string]bool) error {
	if seen[folder] {
		return nil
	}
	seen[folder] = true
	if err := addFolders(w, path.Dir(folder), seen); err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755}); err != nil {
		return fmt.Errorf("pack the folder %s: %w", folder, err)
	}
	return nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
