package bench

import (
	"context"
	"io"
	"log/slog"
)

// App is what the benchmarks may use of the program.
type App struct {
	Ctx      context.Context
	Stdout   io.Writer // the tables, or JSON
	Stderr   io.Writer // progress
	Terminal bool      // Stderr is one
	Logger   *slog.Logger
}
