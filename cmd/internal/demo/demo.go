// Package demo runs a server on a PostgreSQL that it finds or downloads, and simulates activities.
//
// It runs the same server as pgherald serve, with default settings. It promises that no process remains when
// Run has returned.
package demo

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"

	"github.com/pgherald/pgherald/cmd/internal/doctor"
	"github.com/pgherald/pgherald/cmd/internal/server"
)

// Config holds the settings of the demo.
type Config struct {
	// DatabaseURL names a database to use. Empty starts a PostgreSQL.
	DatabaseURL string
	// PgBin is the directory with the programs of the PostgreSQL to start. Empty takes the newest one that
	// is installed, or fetches one through npm.
	PgBin string
	// DataDir keeps the data between runs. Empty means the user's data directory.
	DataDir string
	// Ephemeral removes the data at the end.
	Ephemeral bool
	// Addr is the address to serve on. If its port is taken, the demo takes another one.
	Addr string
	// AllowedHosts are the host names under which browsers may reach the demo on loopback, besides addresses
	// and localhost.
	AllowedHosts []string
	// Rate is the number of simulated changes per second, 0 for none.
	Rate float64
}

// Options holds what the demo receives from its process.
type Options struct {
	Stdout io.Writer // receives the lines to try
	Stderr io.Writer // receives the choice of PostgreSQL
	Logger *slog.Logger
	Level  *slog.LevelVar // of Logger
}

// Run serves until ctx ends.
func Run(ctx context.Context, config Config, options Options) error {
	listener, err := listen(ctx, config.Addr)
	if err != nil {
		return err
	}
	db, err := openDatabase(ctx, config, options)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	err = serve(ctx, config, options, listener, db)
	return errors.Join(err, db.stop())
}

// listen opens the address, or another port of its host if the port is taken.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	listener, err := server.Socket(ctx, addr)
	if err == nil {
		return listener, nil
	}
	host, _, splitErr := net.SplitHostPort(addr)
	if splitErr != nil {
		return nil, err
	}
	if listener, err := server.Socket(ctx, net.JoinHostPort(host, "0")); err == nil {
		return listener, nil
	}
	return nil, err
}

// serve runs the server, and the simulation beside it once it is ready.
func serve(ctx context.Context, config Config, options Options, listener net.Listener, db database) error {
	settings := server.DefaultConfig()
	settings.Database.URL = db.url
	settings.Listen.AllowedHosts = config.AllowedHosts
	settings.Tokens.Insecure = true // --addr is explicit, and the data are made up
	s, err := server.New(ctx, settings, server.Options{Logger: options.Logger, Level: options.Level, Listener: listener, Examine: doctor.Examine})
	if err != nil {
		return err
	}
	simulating, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() {
		select {
		case <-s.Ready():
		case <-simulating.Done():
			return
		}
		printCommands(options.Stdout, listener.Addr().String(), config.Rate, db)
		if config.Rate > 0 {
			simulate(simulating, options.Logger, db.url, config.Rate)
		}
	})
	return s.Run(ctx)
}
