package api_test

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"
)

// A server is closed at its end, and again by whoever cleans up. By then its descriptors belong to
// somebody else: here to the streams of another server.
func TestCloseTwice(t *testing.T) {
	first := newStation(t, stationOptions{})
	first.synced("")
	first.stopAll()
	second := newStation(t, stationOptions{})
	var clients []*listener
	for range 8 { // more than the first has had
		clients = append(clients, second.synced(""))
	}
	first.api.Close()
	clients = append(clients, second.synced(""))
	second.commit("a")
	for _, c := range clients {
		c.until(`"a"`)
	}
}

// A connection can be accepted in the moment in which a server ends. Its stream ends as it begins,
// and leaves nothing behind.
func TestStreamAfterClose(t *testing.T) {
	s := newStation(t, stationOptions{})
	s.api.Close()
	before := goleak.IgnoreCurrent()
	l := s.listen("")
	if l.response.StatusCode != http.StatusOK {
		t.Errorf("status %s", l.response.Status)
	}
	l.rest()
	s.web.Client().CloseIdleConnections()
	s.web.CloseClientConnections()
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}
