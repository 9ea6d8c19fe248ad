package server

import (
	"encoding/pem"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnusableCertificates(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	https := httptest.NewTLSServer(nil)
	defer https.Close()
	cert := write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: https.Certificate().Raw}))
	garbage := write("garbage.pem", []byte("garbage"))
	for want, pair := range map[string][2]string{
		"no such file":                   {filepath.Join(dir, "absent"), cert},
		"failed to find any PEM data in": {garbage, cert},
		"found a certificate rather than a key in the PEM for the private key": {cert, cert},
	} {
		config := DefaultConfig()
		config.Listen.Addr, config.Listen.TLSCert, config.Listen.TLSKey = "127.0.0.1:0", pair[0], pair[1]
		_, err := New(t.Context(), config, Options{Logger: slog.New(slog.DiscardHandler), Level: new(slog.LevelVar)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with certificate and key %v: %v, want %q", pair, err, want)
		}
	}
}
