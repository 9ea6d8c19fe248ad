package collections

import "github.com/pgherald/pgherald/stream/listing"

// PageSQL returns the statements that Page runs, and their parameters.
func (l *Lists) PageSQL(name string, q listing.Query) (queries, params []string, err error) {
	found := l.list(name)
	var position []*string
	if q.After != "" {
		if position, err = parsePosition(found.scope(q), q.After, len(found.order(q.Order))); err != nil {
			return nil, nil, err
		}
	}
	s := found.page(q, position, true)
	return s.queries, s.params.Values, nil
}

// CountSQL returns the statement that counts the rows of a list.
func (l *Lists) CountSQL(name string, q listing.Query) (query string, params []string) {
	s := l.list(name).count(q)
	return s.queries[len(s.queries)-1], s.params.Values
}

// RowSQL returns the statement that Row runs.
func (l *Lists) RowSQL(name, key string, grants []string) (query string, params []string) {
	s, _ := l.list(name).row(key, grants)
	return s.queries[len(s.queries)-1], s.params.Values
}

// CarefulPages is the number of pages that are read within bounds after one that exceeded them.
const CarefulPages = carefulPages

// Careful returns how many further pages of a list are read within bounds.
func (l *Lists) Careful(name string) int { return int(l.list(name).careful.Load()) }
