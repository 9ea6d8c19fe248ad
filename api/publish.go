package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/api/auth"
)

// maxTags is how many tags the audience of one custom event may have.
const maxTags = 1000

// customEvent is the body of POST /api/events.
type customEvent struct {
	kind     *string // required
	data     json.RawMessage
	key      *string
	audience []string // nil is everyone
}

// publish serves POST /api/events. What an event may be is for pgherald.publish to say, which other
// writers call too.
func (a *API) publish(w http.ResponseWriter, r *http.Request, _ auth.Identity) {
	id, err := a.tryPublish(w, r)
	if err != nil {
		fail(a.config.Logger, w, r, err)
		return
	}
	writeStatus(w, http.StatusCreated, map[string]int64{"id": id})
}

func (a *API) tryPublish(w http.ResponseWriter, r *http.Request) (id int64, err error) {
	event, err := decodeCustomEvent(w, r, a.config.MaxBody)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), transactionTimeout)
	defer cancel()
	const sql = `select pgherald.publish($1, $2, $3, $4)`
	err = a.config.Engine.QueryRow(ctx, sql, event.kind, event.data, event.key, event.audience).Scan(&id)
	return id, refusedEvent(err)
}

// refusedEvent puts what pgherald.publish says about an argument into a problem. It is our own text.
func refusedEvent(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == pgerrcode.InvalidParameterValue && pg.ColumnName != "" {
		return &Problem{Status: http.StatusBadRequest, Detail: pg.Message, Errors: []FieldError{{pg.ColumnName, pg.Message}}}
	}
	return err
}

func decodeCustomEvent(w http.ResponseWriter, r *http.Request, maxBody int64) (e customEvent, err error) {
	var noKey bool
	var audience json.RawMessage
	key := label("key", &e.key)
	key.null = &noKey
	err = decode(w, r, maxBody, []member{
		required(label("type", &e.kind)),
		required(member{name: "data", raw: &e.data}),
		key,
		{name: "audience", raw: &audience},
	})
	if err != nil {
		return e, err
	}
	var detail string
	if e.audience, detail = tagsOf(audience); detail != "" {
		return e, invalid(FieldError{"audience", detail})
	}
	return e, nil
}

// tagsOf reads an array of tags, or says what is wrong with it. Nothing and null are everyone.
func tagsOf(raw json.RawMessage) (tags []string, detail string) {
	if raw == nil || kindOf(raw) == "null" {
		return nil, ""
	}
	var items []json.RawMessage
	if kind := kindOf(raw); kind != "an array" || json.Unmarshal(raw, &items) != nil {
		return nil, "must be an array of strings or null, not " + kind
	}
	if len(items) > maxTags {
		return nil, fmt.Sprintf("has %d tags: at most %d", len(items), maxTags)
	}
	tags = make([]string, 0, len(items))
	for i, item := range items {
		var text *string
		m := label("", &text)
		if detail := m.take(item); detail != "" {
			return nil, fmt.Sprintf("tag %d %s", i, detail)
		}
		tags = append(tags, *text)
	}
	return tags, ""
}
