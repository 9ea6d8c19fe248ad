package collections

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
	"github.com/pgherald/pgherald/stream/listing"
)

func noRow() error {
	return problem.New(http.StatusNotFound, "there is no row with this key, or you may not see it")
}

func badPosition() error {
	return problem.InvalidParameter(request.AfterParam, "is not what an earlier page of the same collection, filter and order gave as next")
}

// described is an error with the problem that the client receives. The log has the error.
type described struct {
	error
	problem *problem.Problem
}

// Unwrap returns the problem first, so that package problem finds it.
func (d described) Unwrap() []error { return []error{d.problem, d.error} }

// describe returns the error with a problem, if it is one of the lists.
func describe(err error) error {
	var e *listing.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Kind {
	case listing.NoRow:
		return noRow()
	case listing.BadPosition:
		return badPosition()
	}
	p := problemOf(e)
	if p == nil {
		return err
	}
	return described{err, p}
}

// problemOf returns nil for an error that package problem describes.
func problemOf(e *listing.Error) *problem.Problem {
	unavailable := func(code, detail string) *problem.Problem {
		return &problem.Problem{Status: http.StatusServiceUnavailable, Code: code, Detail: detail}
	}
	switch e.Kind {
	case listing.Unknown:
		return problem.New(http.StatusNotFound, "there is no such collection")
	case listing.BadValue:
		return problem.New(http.StatusBadRequest, "a value of the filter is none of its field's type in the database")
	case listing.LongPosition:
		return problem.InvalidParameter(orderParam, fmt.Sprintf("cannot be continued after the row %s, whose values are too long: choose fewer or other fields",
			strconv.Quote(request.Shorten(e.Key))))
	case listing.TooLarge:
		return &problem.Problem{Status: http.StatusInternalServerError, Code: "row_too_large",
			Detail: fmt.Sprintf("the row has %d bytes, more than the server sends", e.Bytes)}
	case listing.NoMemory:
		return unavailable("memory", "the rows of other requests use the memory for lists: try again in a moment")
	case listing.SlowList:
		return unavailable("list_timeout", "the list took too long: filter and order by fields that have an index")
	case listing.SlowCount:
		return unavailable("count_timeout", "counting the rows took too long: leave out count, or filter by a field that has an index")
	case listing.NoRight:
		return unavailable("missing_right", "the server lacks a right in the database: its log names it")
	case listing.Changed:
		return unavailable("collection_changed", "the table has changed since the spec was applied: the server's log says what to do")
	case listing.Unreadable:
		if e.Key == "" { // it is about a list
			return unavailable("unreadable", "the key of a row, or a value of the order, has no equivalent in UTF-8, so that PostgreSQL cannot send it: "+
				"order by other fields, or correct the row")
		}
		return &problem.Problem{Status: http.StatusInternalServerError, Code: "unreadable",
			Detail: "the row has a text that has no equivalent in UTF-8, so that PostgreSQL cannot send it: correct the row"}
	case listing.Broken:
		return &problem.Problem{Status: http.StatusInternalServerError, Code: "expression",
			Detail: "the spec's SQL raised an error for a row: the server's log has it"}
	}
	return nil
}
