package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
)

// certificate is a pair of files that may be replaced while the server runs. Each handshake looks
// whether they were, which costs two calls of stat beside a signature.
type certificate struct {
	certFile, keyFile string
	logger            *slog.Logger

	mu     sync.Mutex
	pair   *tls.Certificate
	loaded [2]os.FileInfo // what the files were like when they were last read, well or not
}

// openCertificate reads the files, so that what is wrong with them is known at start.
func openCertificate(certFile, keyFile string, logger *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, logger: logger}
	now, err := c.stat()
	if err != nil {
		return nil, err
	}
	if err := c.load(now); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *certificate) stat() (now [2]os.FileInfo, err error) {
	for i, file := range []string{c.certFile, c.keyFile} {
		if now[i], err = os.Stat(file); err != nil {
			return now, fmt.Errorf("read certificate: %w", err)
		}
	}
	return now, nil
}

// load must be called with mu held, once the certificate is in use.
func (c *certificate) load(now [2]os.FileInfo) error {
	c.loaded = now
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("read certificate %s with key %s: %w", c.certFile, c.keyFile, err)
	}
	c.pair = &pair
	return nil
}

// get is tls.Config's GetCertificate. A pair that cannot be used leaves the last good one in use: while
// the files are replaced, one of them is old.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	now, err := c.stat()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || same(now[0], c.loaded[0]) && same(now[1], c.loaded[1]) {
		return c.pair, nil
	}
	if err := c.load(now); err != nil {
		c.logger.Error("new certificate cannot be used; the old one stays", "error", err)
		return c.pair, nil
	}
	c.logger.Info("new certificate is in use", "subject", c.pair.Leaf.Subject.String(), "until", c.pair.Leaf.NotAfter)
	return c.pair, nil
}

func same(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
