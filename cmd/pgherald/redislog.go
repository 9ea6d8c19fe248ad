package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// logRedis makes the lines of the Redis client appear in the log. Call it before the first connection.
func (a *app) logRedis() { redis.SetLogger(redisLog{a.logger}) }

// redisLog takes the lines of the Redis client, which has one logger for the whole program. Each failure is also an error where it matters.
type redisLog struct{ logger *slog.Logger }

// Printf logs a line.
func (l redisLog) Printf(ctx context.Context, format string, values ...any) {
	l.logger.DebugContext(ctx, "redis client reported", "text", fmt.Sprintf(format, values...))
}
