package server

import (
	"context"
	"time"
)

const (
	// documentInterval is how often an edge reads the document.
	documentInterval = time.Second
	// documentTimeout bounds one read.
	documentTimeout = 5 * time.Second
)

// follow shows what the document says until ctx ends.
func (e *edge) follow(ctx context.Context) {
	tick := time.NewTicker(documentInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = e.refresh(ctx, time.Now()) // logs its error
		case <-ctx.Done():
			return
		}
	}
}

// settle implements api.Config.Settle: it reads the document, unless that was read after the request, or shortly before.
func (e *edge) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	return e.refresh(ctx, time.Now().Add(-minLookInterval))
}

// refresh reads the document, unless that was read after a time, and shows what it says. It keeps what it has if the document
// cannot be read, or says what this server does not understand.
func (e *edge) refresh(ctx context.Context, after time.Time) error {
	select {
	case e.reading <- struct{}{}:
	case <-ctx.Done():
		return errNotLooked
	}
	defer func() { <-e.reading }()
	if e.readAt.After(after) {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, documentTimeout)
	defer cancel()
	err := e.readDocument(bounded)
	switch {
	case err == nil:
		e.readAt, e.lastErr = time.Now(), nil
		return nil
	case ctx.Err() == nil && // a store that does not answer in time is one that cannot be read
		(e.lastErr == nil || e.lastErr.Error() != err.Error()):
		e.logger.Warn("collections do not follow the spec, retrying", "error", err)
		e.lastErr = err
	}
	return errNotLooked
}

// readDocument reads the document and shows what has changed. The caller must hold reading.
func (e *edge) readDocument(ctx context.Context) error {
	text, version, err := e.store.Document(ctx)
	if err != nil || version == e.version {
		return err
	}
	now, recent, err := parseDocument(text)
	if err != nil {
		return err
	}
	if err := e.showNext(now, func() error { return nil }); err != nil {
		return err
	}
	e.version = version
	e.recent.Store(&recent)
	return nil
}
