package server

import (
	"log/slog"
	"net"
	"strings"
	"testing"
)

func TestNewReportsAPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	config := DefaultConfig()
	config.Listen.Addr = taken.Addr().String()
	_, err = New(t.Context(), config, Options{Logger: slog.New(slog.DiscardHandler), Level: new(slog.LevelVar)})
	if err == nil || !strings.HasPrefix(err.Error(), "serve on "+config.Listen.Addr) {
		t.Errorf("New returned %v", err)
	}
}

func TestNewClosesTheListenerOnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := DefaultConfig()
	config.Tuning.Heartbeat = 0
	if _, err := New(t.Context(), config, Options{Logger: slog.New(slog.DiscardHandler), Level: new(slog.LevelVar), Listener: l}); err == nil {
		t.Fatal("New accepted a heartbeat of 0")
	}
	if conn, err := l.Accept(); err == nil {
		conn.Close()
		t.Error("the listener is open")
	}
}

func TestCheckFiles(t *testing.T) {
	config := DefaultConfig()
	logger := slog.New(slog.DiscardHandler)
	if err := config.CheckFiles(t.Context(), logger); err != nil {
		t.Error(err)
	}
	config.Listen.Addr, config.Database.Spec = "0.0.0.0:0", "absent.yaml"
	config.Listen.TLSCert, config.Listen.TLSKey = "absent.pem", "absent.pem"
	err := config.CheckFiles(t.Context(), logger)
	for _, want := range []string{"read and write everything", "read the spec", "read the certificate"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("CheckFiles returned %v, want %q too", err, want)
		}
	}
}
