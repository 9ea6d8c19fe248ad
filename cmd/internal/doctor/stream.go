package doctor

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// slowByte is the time to the first byte above which a proxy probably holds the stream back.
const slowByte = 2 * time.Second

// Credentials are what doctor sends to a server that wants to know its clients; each may be empty.
type Credentials struct{ Token, Cookie string }

// Stream opens the stream of a server through its public URL, as a browser does, and observes it for a while.
func Stream(ctx context.Context, base string, c Credentials, watch time.Duration) Report {
	ctx, cancel := context.WithTimeout(ctx, watch)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+"/api/events", nil)
	if err != nil {
		return Report{failed("stream", err)}
	}
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set("Accept-Encoding", "gzip, br") // as a browser; it also keeps net/http from decoding
	if c.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if c.Cookie != "" {
		request.Header.Set("Cookie", c.Cookie)
		request.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	began := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return Report{{Error, "stream", err.Error(), "a proxy holds the response back until it has more of it, or nothing answers.",
			"switch buffering off for /api/events: docs/operations.md has a configuration for each proxy."}}
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return Report{refused(response)}
	}
	body := bufio.NewReader(response.Body)
	finding, isOwn := compression(response, body)
	if isOwn {
		packed, err := gzip.NewReader(body)
		if err != nil {
			return Report{failed("compression", err)}
		}
		body = bufio.NewReader(packed)
	}
	return append(Report{finding}, observe(body, began, watch)...)
}

// refused returns the finding for a response that is no stream. Its code says whether the application at --auth-url answers.
func refused(response *http.Response) Finding {
	var problem struct{ Code string }
	_ = json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&problem) // of a proxy it is none
	switch problem.Code {
	case "auth_unavailable":
		return Finding{Error, "auth", "the server gets no answer from its --auth-url", "no client gets a stream, and open ones end when their leases do.",
			"look for \"ask the application\" in the server's log output, and ask --auth-url with curl from its machine: it has to answer 200, 401 or 403."}
	case "session_required", "session_refused":
		return Finding{Warning, "auth", "the application at --auth-url answers, and refuses doctor", "the stream itself was not looked at.",
			"give doctor a session with PGHERALD_COOKIE, or a token that the application accepts with PGHERALD_TOKEN."}
	}
	return Finding{Error, "stream", response.Status, "clients get no stream.",
		"look at the server's log output; with --auth, give doctor a token with PGHERALD_TOKEN or a session with PGHERALD_COOKIE."}
}

// ownGzip begins a stream that pgherald compresses itself: the header, and the type of a stored block, with which proxies
// begin no text.
const ownGzip = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x00"

// compression returns the finding about the compression of the stream, and whether it is pgherald's own.
func compression(response *http.Response, body *bufio.Reader) (f Finding, isOwn bool) {
	encoding := response.Header.Get("Content-Encoding")
	if encoding == "" {
		return fine("compression", "none"), false
	}
	if begin, err := body.Peek(len(ownGzip)); encoding == "gzip" && err == nil && string(begin) == ownGzip {
		return fine("compression", "gzip, by pgherald (--compress)"), true
	}
	return Finding{Warning, "compression", encoding, "a proxy compresses the stream: most hold events back until a block is full.",
		"exclude text/event-stream from compression."}, false
}

// observe measures the first byte and the longest silence.
func observe(lines *bufio.Reader, began time.Time, watch time.Duration) Report {
	var first, silence time.Duration
	last, frames := began, 0
	for {
		if _, err := lines.ReadString('\n'); err != nil {
			break
		}
		now := time.Now()
		if frames == 0 {
			first = now.Sub(began)
		} else {
			silence = max(silence, now.Sub(last))
		}
		last, frames = now, frames+1
	}
	if frames == 0 {
		return Report{{Error, "first byte", fmt.Sprintf("none within %v", watch), "a proxy buffers the response: clients get events late or never.",
			"switch buffering off for /api/events: docs/operations.md has a configuration for each proxy."}}
	}
	report := Report{fine("first byte", "after %v", first.Round(time.Millisecond))}
	if first > slowByte {
		report = Report{{Warning, "first byte", fmt.Sprintf("after %v", first.Round(time.Millisecond)), "a proxy or the network is slow, or buffers.",
			"compare with the same request to the server itself."}}
	}
	return append(report, fine("heartbeat", "the longest silence in %v was %v", watch, max(silence, time.Since(last)).Round(time.Millisecond)))
}
