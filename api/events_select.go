package api

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// The windows that a batch may have.
const (
	minWindow = 10 * time.Millisecond
	maxWindow = 10 * time.Second
)

// filterOf reads what the client wants to hear, and in which form.
func filterOf(query url.Values) (stream.Filter, error) {
	filter, err := stream.ParseFilter(query)
	var wrong *stream.ParamError
	if errors.As(err, &wrong) {
		return filter, badParameter(shorten(wrong.Param), wrong.Detail)
	}
	if conflate := query["conflate"]; conflate != nil {
		if !slices.Equal(conflate, []string{"1"}) {
			return filter, badParameter("conflate", "must be 1")
		}
		filter = filter.Conflated()
	}
	if batch := query["batch"]; batch != nil {
		window, err := windowOf(batch)
		if err != nil {
			return filter, err
		}
		filter = filter.Batched(window)
	}
	return filter, nil
}

func windowOf(batch []string) (time.Duration, error) {
	if len(batch) != 1 {
		return 0, badParameter("batch", fmt.Sprintf("is given %d times", len(batch)))
	}
	window, err := time.ParseDuration(batch[0])
	if err != nil || window < minWindow || window > maxWindow {
		return 0, badParameter("batch", "must be a time from 10ms to 10s, such as 250ms")
	}
	return window, nil
}
