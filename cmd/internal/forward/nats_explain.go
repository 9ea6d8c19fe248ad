package forward

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The codes of JetStream's errors for which the library has no names.
const (
	codeHeaderTooLarge jetstream.ErrorCode = 10097
	codeNotAvailable   jetstream.ErrorCode = 10008 // the cluster has no leader, or starts
	codeNoResources    jetstream.ErrorCode = 10023
	codeOffline        jetstream.ErrorCode = 10118
)

// explain returns the failure of an error, with advice. The subject is empty if nothing was published.
func (s *jetStream) explain(ctx context.Context, subject string, err error) *failure {
	var answer jetstream.JetStreamError
	switch {
	case errors.Is(err, errNoLink), errors.Is(err, nats.ErrReconnectBufExceeded):
		text := errNoLink.Error()
		if last := s.conn.LastError(); last != nil {
			text += ": " + bound(last.Error())
		}
		return &failure{text: text, isOutage: true}
	case errors.Is(err, errNoJetStream), errors.Is(err, nats.ErrPermissionViolation), subject == "":
		return &failure{text: bound(err.Error()), isOutage: true}
	case errors.Is(err, nats.ErrMaxPayload):
		return &failure{text: fmt.Sprintf("publish: the event is larger than the server's max_payload of %d bytes", s.conn.MaxPayload()), isAboutEvent: true}
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, context.DeadlineExceeded):
		return s.lookUp(ctx, subject, err)
	case errors.As(err, &answer) && answer.APIError() != nil:
		return explainAnswer(answer.APIError())
	case errors.Is(err, jetstream.ErrInvalidJSAck):
		return &failure{text: fmt.Sprintf("publish: something else than JetStream answers on the subject %q", bound(subject))}
	}
	return &failure{text: "publish: " + bound(err.Error()), isOutage: true}
}

// explainAnswer returns the failure of an answer of a stream.
func explainAnswer(answer *jetstream.APIError) *failure {
	f := &failure{text: fmt.Sprintf("publish: %s (code %d)", bound(answer.Description), answer.ErrorCode)}
	switch answer.ErrorCode {
	case jetstream.JSErrCodeStreamMessageExceedsMaximum, codeHeaderTooLarge:
		f.isAboutEvent = true
	case codeNotAvailable, codeNoResources, codeOffline:
		f.isOutage = true
	}
	return f
}

// lookUp looks why no stream has acknowledged.
func (s *jetStream) lookUp(ctx context.Context, subject string, err error) *failure {
	if denied := s.link.refusal(subject); denied != nil {
		return &failure{text: "publish: " + bound(denied.Error())}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), natsLookUp)
	defer cancel()
	name, lookErr := s.js.StreamNameBySubject(ctx, subject)
	switch {
	case errors.Is(lookErr, jetstream.ErrStreamNotFound):
		return &failure{text: fmt.Sprintf("publish: no stream has the subject %q: add one, as with nats stream add", bound(subject))}
	case errors.Is(lookErr, nats.ErrNoResponders):
		return &failure{text: errNoJetStream.Error(), isOutage: true}
	case lookErr == nil:
		return &failure{text: fmt.Sprintf("publish: the stream %q does not acknowledge: %s", bound(name), bound(err.Error())), isOutage: true}
	}
	return &failure{text: "publish: " + bound(err.Error()), isOutage: true}
}
