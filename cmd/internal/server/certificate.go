package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
)

// certificate is a pair of PEM files that may be replaced while the server runs. Each handshake compares
// their times and sizes with those of the last read. That takes two stat calls, far less than the signature.
type certificate struct {
	certFile, keyFile string
	logger            *slog.Logger

	mu    sync.Mutex
	pair  *tls.Certificate
	files [2]os.FileInfo // of the last read, whether it succeeded or not
}

// openCertificate reads the files.
func openCertificate(certFile, keyFile string, logger *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, logger: logger}
	files, err := c.stat()
	if err != nil {
		return nil, err
	}
	if err := c.load(files); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *certificate) stat() (files [2]os.FileInfo, err error) {
	for i, file := range []string{c.certFile, c.keyFile} {
		if files[i], err = os.Stat(file); err != nil {
			return files, fmt.Errorf("read the certificate: %w", err)
		}
	}
	return files, nil
}

// load reads the files. Once the certificate is in use, the caller must hold mu.
func (c *certificate) load(files [2]os.FileInfo) error {
	c.files = files
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("read the certificate %s with key %s: %w", c.certFile, c.keyFile, err)
	}
	c.pair = &pair
	return nil
}

// get implements tls.Config.GetCertificate. If the files do not match, as when only one of them has been
// replaced so far, it returns the previous pair.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	files, err := c.stat()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || sameFile(files[0], c.files[0]) && sameFile(files[1], c.files[1]) {
		return c.pair, nil
	}
	if err := c.load(files); err != nil {
		c.logger.Error("new certificate rejected, keeping the old one", "error", err)
		return c.pair, nil
	}
	c.logger.Info("certificate replaced", "subject", c.pair.Leaf.Subject.String(), "expires", c.pair.Leaf.NotAfter)
	return c.pair, nil
}

func sameFile(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
