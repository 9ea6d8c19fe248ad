package main

import (
	"context"
	"fmt"
	"log/slog"
)

// redisLog takes the lines of the Redis client, which has one logger for the whole program. Each failure is also an error where it matters.
type redisLog struct{ logger *slog.Logger }

// Printf logs a line.
func (l redisLog) Printf(ctx context.Context, format string, values ...any) {
	l.logger.DebugContext(ctx, "redis client reported", "text", fmt.Sprintf(format, values...))
}
