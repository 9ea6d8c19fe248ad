package server

import (
	"context"
	"time"

	"github.com/pgherald/pgherald/api"
)

// The times of the steps of a shutdown, as shares of Config.Tuning.Drain.
const (
	streamShare = 0.5 // within which streams end, paced
	answerShare = 0.2 // in which the server goes on answering requests
	totalShare  = 0.9 // after which the server cuts what is left; the rest is for closing
)

// drain ends the streams paced, so that their clients do not reconnect in one wave, and stops the server.
//
// For a while the server still answers new requests, so that a load balancer reads from /readyz that it is
// draining before a client is refused: net/http answers nothing once it shuts down.
func (s *Server) drain(a *api.API) error {
	limit := s.config.Tuning.Drain
	share := func(of float64) time.Duration { return time.Duration(float64(limit) * of) }
	a.Drain(share(streamShare))
	s.logger.Info("draining", "drain_ms", limit.Milliseconds())
	ctx, cancel := context.WithTimeout(context.Background(), share(totalShare))
	defer cancel()
	answering, stop := context.WithTimeout(ctx, share(answerShare))
	defer stop()
	<-answering.Done()
	a.Wait(ctx)
	defer a.Close()
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}
