package eventlog_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgherald/pgherald/db/eventlog"
	"github.com/pgherald/pgherald/db/pgtest"
	"github.com/pgherald/pgherald/stream"
)

// TestReadCutOff cuts the connection in the middle of large results. A read that goes on after the last whole transaction
// misses nothing and repeats nothing.
func TestReadCutOff(t *testing.T) {
	for name, sized := range sizesOfReads {
		t.Run(name, func(t *testing.T) {
			database := pgtest.NewDatabase(t)
			proxy := pgtest.NewProxyOf(t, database)
			log := sized(openLog(t, proxy.URL(database)))
			from := head(t, log, 0)
			conn := pgtest.Connect(t, database)
			var want []string
			for i := range 20 {
				emit(t, conn, fmt.Sprint("k", i), 1+i*i)
				want = append(want, fmt.Sprintf("k%d×%d", i, 1+i*i))
			}
			var got []string
			cuts := 0
			for bytes := 500; ; bytes += bytes / 3 {
				proxy.CutAfter(bytes)
				some, next, err := collectWhole(t.Context(), log, from)
				proxy.CutAfter(-1)
				got, from = append(got, some...), next
				if err == nil {
					break
				}
				cuts++
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("after %d cuts (-want +got):\n%s", cuts, diff)
			}
			if cuts < 3 {
				t.Errorf("%d cuts: so few prove little", cuts)
			}
		})
	}
}

// collectWhole works like tryCollect. If the read fails, its cursor is the one after the last whole transaction.
func collectWhole(ctx context.Context, log *eventlog.Log, from stream.Cursor) ([]string, stream.Cursor, error) {
	r, err := log.Read(ctx, from)
	if err != nil {
		return nil, from, err
	}
	var got []string
	for n := 0; ; {
		tx, err := r.Next(ctx, stream.Interest{Everything: true})
		if err != nil {
			return got, from, ignoreEnd(err)
		}
		if n += len(tx.Events); !tx.More {
			got = append(got, fmt.Sprintf("%s×%d", tx.Events[len(tx.Events)-1].Key, n))
			n, from = 0, tx.Cursor
		}
	}
}

// ignoreEnd returns nil for io.EOF, the end of a read.
func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
