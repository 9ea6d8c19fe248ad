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

// nativePrefix is the directory of PostgreSQL in the package. The rest is for Node.
const nativePrefix = "package/native/"

// symlinkList is the file that lists the symbolic links, which npm's archive format cannot hold.
const symlinkList = "pg-symlinks.json"

// unpack creates dir and extracts the server's files into it. It writes through an os.Root, so no name and no
// link in the archive can lead out of dir.
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
		return fmt.Errorf("create the directory to unpack into: %w", err)
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
			return fmt.Errorf("extract %q: the package must not contain an entry of this type or name", header.Name)
		}
		if err := extractFile(archive, root, filepath.FromSlash(name), header.FileInfo().Mode()); err != nil {
			return fmt.Errorf("extract %q: %w", header.Name, err)
		}
	}
}

// extractFile writes one file. It sets the mode explicitly, since the umask may deny access to the server's
// user.
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

// makeSymlinks creates the links in symlinkList, in place of the package's install script, which must not run.
// The list calls the link "target" and the file it points to "source".
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
	return nil // the archive holds a file of this name
}
