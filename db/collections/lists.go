package collections

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/stream"
	"github.com/pgherald/pgherald/stream/listing"
)

// transactionTimeout bounds a transaction as a whole. The pool bounds each statement.
const transactionTimeout = 10 * time.Second

// Head returns cursors of snapshots. A cursor contains exactly the transactions whose effects can be read in the snapshot.
type Head interface {
	// SnapshotCursor returns the cursor of the snapshot of tx, a REPEATABLE READ transaction.
	SnapshotCursor(ctx context.Context, tx pgx.Tx) (stream.Cursor, error)
	// SnapshotSQL returns a statement without parameters that returns one text.
	SnapshotSQL() string
	// ParseSnapshot returns the cursor of the snapshot in which SnapshotSQL returned the text.
	ParseSnapshot(ctx context.Context, value []byte) (stream.Cursor, error)
}

// Pool begins transactions in which code of others may run.
type Pool interface {
	// BeginForeign begins a REPEATABLE READ, READ ONLY transaction, of which nothing remains after its end.
	BeginForeign(ctx context.Context) (pgx.Tx, error)
	// ReadForeign runs the statements that add gives in such a transaction, in one round trip. read takes their results.
	ReadForeign(ctx context.Context, add func(*pgconn.Batch), read func(*pgconn.MultiResultReader) error) error
}

// Options are the settings of Lists. Each is required.
type Options struct {
	// PageBytes bounds the data of the rows of a page. A row that has more comes without its data.
	PageBytes int64
	// Bytes bounds the data of all pages that are read or written at the same time.
	Bytes int64
}

// Lists reads the collections of one database. It is safe for concurrent use.
type Lists struct {
	pool   Pool
	head   Head
	opts   Options
	budget *budget

	growing sync.Mutex // held to change lists
	lists   atomic.Pointer[map[string]*list]
}

// New returns the lists of the sources. It looks up the types of their keys, and the settings of their trigger functions.
func New(ctx context.Context, pool Pool, head Head, sources []Source, opts Options) (*Lists, error) {
	l := &Lists{pool: pool, head: head, opts: opts, budget: &budget{limit: opts.Bytes}}
	l.lists.Store(&map[string]*list{})
	if err := l.Set(ctx, sources); err != nil {
		return nil, err
	}
	return l, nil
}

// Set makes the lists of the sources the present ones, and keeps the others that there are. A page that is being read
// is not affected.
func (l *Lists) Set(ctx context.Context, sources []Source) error {
	l.growing.Lock()
	defer l.growing.Unlock()
	if len(sources) == 0 {
		return nil
	}
	tx, err := l.pool.BeginForeign(ctx)
	if err != nil {
		return fmt.Errorf("look up the keys of the collections: %w", err)
	}
	defer end(ctx, tx)
	lists, err := load(ctx, tx, sources)
	if err != nil {
		return err
	}
	all := maps.Clone(*l.lists.Load())
	for _, found := range lists {
		all[found.Name] = found
	}
	l.lists.Store(&all)
	return nil
}

// list returns nil if there is none of this name.
func (l *Lists) list(name string) *list { return (*l.lists.Load())[name] }

// Page reads a page of the collection of this name. Its error is an *Error if the client or the operator can act on it.
func (l *Lists) Page(ctx context.Context, name string, q listing.Query) (page listing.Page, err error) {
	found := l.list(name)
	if found == nil {
		return page, &listing.Error{Kind: listing.Unknown, Collection: name}
	}
	var position []*string
	scope, terms := found.scope(q), len(found.order(q.Order))
	if q.After != "" {
		if position, err = parsePosition(scope, q.After, terms); err != nil {
			return page, &listing.Error{Kind: listing.BadPosition, Collection: name, Cause: err}
		}
	}
	memory, err := l.budget.reserve(ctx, l.opts.PageBytes)
	if err != nil {
		return page, &listing.Error{Kind: listing.NoMemory, Collection: name, Cause: err}
	}
	defer func() {
		if err != nil {
			memory.release()
		}
	}()
	err = l.readPage(ctx, found, q, position, &page)
	if isUnreadable(err) {
		whole := err
		page = listing.Page{}
		if err = l.isolated(ctx, found, found.page(q, position, false), q, &page); isUnreadable(err) { // a key, or a value of the order
			err = whole
		}
	}
	if err != nil {
		return page, l.explain(ctx, found, q, position, err)
	}
	memory.shrink(sizeOf(&page))
	page.Release = memory.release
	return page, nil
}

func sizeOf(p *listing.Page) (bytes int64) {
	for i, row := range p.Rows {
		bytes += int64(len(row) + len(p.Keys[i]))
	}
	return bytes
}

// Row reads the row with a key. Unlike a page, it may have more than Options.PageBytes.
func (l *Lists) Row(ctx context.Context, name, key string, grants []string) (found listing.Row, err error) {
	from := l.list(name)
	if from == nil {
		return found, &listing.Error{Kind: listing.Unknown, Collection: name}
	}
	s, ok := from.row(key, grants)
	if !ok {
		return found, &listing.Error{Kind: listing.NoRow, Collection: name, Key: key}
	}
	memory, err := l.budget.reserve(ctx, l.opts.PageBytes)
	if err != nil {
		return found, &listing.Error{Kind: listing.NoMemory, Collection: name, Key: key, Cause: err}
	}
	defer func() {
		if err != nil {
			memory.release()
		}
	}()
	memory, err = l.readRow(ctx, from, s, key, &found, memory)
	if err != nil {
		return found, l.explainRow(ctx, from, key, err)
	}
	memory.shrink(int64(len(found.Data)))
	found.Release = memory.release
	return found, nil
}

// readRow reads a row, for whose data it may need other memory than the given one. It returns the memory in use.
func (l *Lists) readRow(ctx context.Context, from *list, s *statements, key string, found *listing.Row, memory *reservation) (*reservation, error) {
	var one *row
	cursor, err := l.readAtOnce(ctx, []call{firstRow(s, l.opts.PageBytes, &one)})
	if err == nil && one != nil && one.data == nil {
		cursor, err = l.read(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
			one, err = first(ctx, tx, s, l.opts.PageBytes)
			if err == nil && one != nil && one.data == nil {
				memory.release()
				memory, one, err = l.large(ctx, tx, from, s, *one, memory)
			}
			return err
		})
	}
	if err == nil && one == nil {
		err = &listing.Error{Kind: listing.NoRow, Collection: from.Name, Key: key}
	}
	if err == nil {
		found.Data, found.Cursor = one.data, cursor
	}
	return memory, err
}

// large reads a row again that is too large for a page, once there is memory for it in place of the given one.
func (l *Lists) large(ctx context.Context, tx pgx.Tx, from *list, s *statements, r row, small *reservation) (*reservation, *row, error) {
	if r.bytes > l.opts.Bytes {
		return small, nil, &listing.Error{Kind: listing.TooLarge, Collection: from.Name, Key: r.key, Bytes: r.bytes}
	}
	memory, err := l.budget.reserve(ctx, r.bytes)
	if err != nil {
		return small, nil, &listing.Error{Kind: listing.NoMemory, Collection: from.Name, Key: r.key, Cause: err}
	}
	again, err := first(ctx, tx, s, r.bytes)
	return memory, again, err
}
