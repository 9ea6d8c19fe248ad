package postgres

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// nativePrefix is the part of the package that is PostgreSQL; the rest is for
// Node.
const nativePrefix = "package/native/"

// symlinkList names the links that npm's archive format cannot hold.
const symlinkList = "pg-symlinks.json"

// unpack extracts the server's files into dir, which it makes. Everything is
// written through an os.Root, so no name in the archive, and no link that it
// makes, leads out of dir.
func unpack(archive, dir string) error {
	file, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("open the archive: %w", err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(bufio.NewReader(file))
	if err != nil {
		return fmt.Errorf("read the archive: %w", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("make the directory to unpack into: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open the directory to unpack into: %w", err)
	}
	defer root.Close()
	if err := extract(tar.NewReader(unzipped), root); err != nil {
		return err
	}
	return makeSymlinks(root)
}

func extract(archive *tar.Reader, root *os.Root) error {
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
		name, ok := strings.CutPrefix(header.Name, nativePrefix)
		if !ok || name == "" || header.Typeflag == tar.TypeDir {
			continue
		}
		if header.Typeflag != tar.TypeReg || !filepath.IsLocal(filepath.FromSlash(name)) {
			return fmt.Errorf("extract %q: an entry of this kind or name has no business in the package", header.Name)
		}
		if err := extractFile(archive, root, filepath.FromSlash(name), header.FileInfo().Mode()); err != nil {
			return fmt.Errorf("extract %q: %w", header.Name, err)
		}
	}
}

// extractFile sets the modes explicitly, and not through Open and the user's
// umask: when we are root, the server runs as someone else.
func extractFile(from io.Reader, root *os.Root, name string, mode fs.FileMode) error {
	if err := makeDirs(root, filepath.Dir(name)); err != nil {
		return err
	}
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	perm := fs.FileMode(0o644)
	if mode&0o111 != 0 {
		perm = 0o755
	}
	_, err = io.Copy(file, from)
	return errors.Join(err, file.Chmod(perm), file.Close())
}

func makeDirs(root *os.Root, dir string) error {
	if err := root.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for ; dir != "."; dir = filepath.Dir(dir) {
		if err := root.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	return root.Chmod(".", 0o755)
}

// makeSymlinks does what the package's own install script does, which we do
// not run. The list calls the link "target" and what it points at "source".
func makeSymlinks(root *os.Root) error {
	text, err := root.ReadFile(symlinkList)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the list of links: %w", err)
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(text, &links); err != nil {
		return fmt.Errorf("read the list of links: %w", err)
	}
	for _, link := range links {
		if err := makeSymlink(root, link.Source, link.Target); err != nil {
			return fmt.Errorf("link %q to %q: %w", link.Target, link.Source, err)
		}
	}
	return nil
}

func makeSymlink(root *os.Root, source, target string) error {
	source, okSource := strings.CutPrefix(path.Clean(source), "native/")
	target, okTarget := strings.CutPrefix(path.Clean(target), "native/")
	if !okSource || !okTarget {
		return errors.New("it leads out of the package")
	}
	if _, err := root.Stat(source); err != nil {
		return err
	}
	if err := makeDirs(root, path.Dir(target)); err != nil {
		return err
	}
	// Relative, so that the links survive the rename into the cache.
	to, err := filepath.Rel(path.Dir(target), source)
	if err != nil {
		return err
	}
	if err := root.Symlink(to, target); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil // packed as a file after all
}
