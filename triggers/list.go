package triggers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Watched is a table with a trigger of pgherald.
type Watched struct {
	Table Name
	// Spec is the name of the spec that watches the table. It is empty for triggers that were installed before
	// specs had names, and not applied since.
	Spec string
	// Version is the version that the spec gives itself, or 0.
	Version int64
	// AppliedAt and AppliedBy say when and by which role the spec was applied last.
	AppliedAt time.Time
	AppliedBy string
	// Collection is the name of the collection, empty if the table is none.
	Collection string
}

// List returns the tables that have triggers of pgherald, and whose these are. It needs no right on the tables. In a
// database without a log the list is empty.
func List(ctx context.Context, conn *pgx.Conn) ([]Watched, error) {
	var list []Watched
	err := readOnly(ctx, conn, func(tx pgx.Tx) error {
		found, err := loadInstalled(ctx, tx)
		list = found.list()
		return err
	})
	if errors.Is(err, errNoLog) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list triggers: %w", err)
	}
	return list, nil
}

func (found installed) list() []Watched {
	var list []Watched
	for _, t := range found.triggers {
		w := Watched{Table: t.table, Spec: found.owners[t.function].spec}
		if r, ok := found.record(w.Spec); ok {
			w.Version, w.AppliedAt, w.AppliedBy = r.version, r.appliedAt, r.appliedBy
		}
		if o := found.owners[t.function]; o.table == t.table {
			f, _ := found.function(functionName(t.table, opRow))
			w.Collection, _, _ = strings.Cut(f.collectionOf(), " ")
		}
		list = append(list, w)
	}
	slices.SortFunc(list, func(a, b Watched) int {
		return strings.Compare(a.Table.String()+"\x00"+a.Spec, b.Table.String()+"\x00"+b.Spec)
	})
	return slices.Compact(list)
}
