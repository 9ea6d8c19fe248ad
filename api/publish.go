package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgherald/pgherald/api/auth"
	"github.com/pgherald/pgherald/api/problem"
	"github.com/pgherald/pgherald/api/request"
)

// maxTags is the maximum number of tags in the audience of a custom event.
const maxTags = 1000

// customEvent is the body of POST /api/events.
type customEvent struct {
	kind     *string // required
	data     json.RawMessage
	key      *string
	audience []string // nil makes the event public
}

// publish serves POST /api/events. The SQL function pgherald.publish validates the event, since writers call it directly
// too.
func (a *API) publish(w http.ResponseWriter, r *http.Request, _ auth.Identity) {
	id, err := a.appendEvent(w, r)
	if err != nil {
		problem.Fail(a.config.Logger, w, r, err)
		return
	}
	request.Respond(w, http.StatusCreated, map[string]int64{"id": id})
}

func (a *API) appendEvent(w http.ResponseWriter, r *http.Request) (id int64, err error) {
	e, err := decodeCustomEvent(w, r, a.config.MaxBody)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), databaseTimeout)
	defer cancel()
	id, err = a.features.publishing.Publisher.Publish(ctx, *e.kind, e.data, e.key, e.audience)
	return id, describeInvalidEvent(err)
}

// describeInvalidEvent turns an error of pgherald.publish about an argument into a problem with its message. pgherald wrote
// that message, so the client may read it. It returns any other error unchanged.
func describeInvalidEvent(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == pgerrcode.InvalidParameterValue && pg.ColumnName != "" {
		return &problem.Problem{
			Status: http.StatusBadRequest, Detail: pg.Message,
			Errors: []problem.FieldError{{Field: pg.ColumnName, Detail: pg.Message}},
		}
	}
	return err
}

func decodeCustomEvent(w http.ResponseWriter, r *http.Request, maxBody int64) (e customEvent, err error) {
	var noKey bool // a null key means the same as no key
	var audience json.RawMessage
	key := request.Label("key", &e.key)
	key.Null = &noKey
	err = request.Decode(w, r, maxBody, []request.Member{
		request.Required(request.Label("type", &e.kind)),
		request.Required(request.Member{Name: "data", Raw: &e.data}),
		key,
		{Name: "audience", Raw: &audience},
	})
	if err != nil {
		return e, err
	}
	var detail string
	if e.audience, detail = request.Labels(audience, "tag", maxTags); detail != "" {
		return e, problem.InvalidFields(problem.FieldError{Field: "audience", Detail: detail})
	}
	return e, nil
}
