package api_test

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"
)

// A server is closed at its end, and again by whoever cleans up. By then its descriptors belong to
// somebody else: here to the streams of another server.
func TestCloseTwice(t *testing.T) {
	first := newStreamServer(t, streamServerOptions{})
	first.openSynced("")
	first.shutDown()
	second := newStreamServer(t, streamServerOptions{})
	var clients []*streamClient
	for range 8 { // more than the first has had
		clients = append(clients, second.openSynced(""))
	}
	first.api.Close()
	clients = append(clients, second.openSynced(""))
	second.commit("a")
	for _, c := range clients {
		c.readUntil(`"a"`)
	}
}

// A connection can be accepted in the moment in which a server ends. Its stream ends as it begins,
// and leaves nothing behind.
func TestStreamAfterClose(t *testing.T) {
	s := newStreamServer(t, streamServerOptions{})
	s.api.Close()
	before := goleak.IgnoreCurrent()
	l := s.open("")
	if l.response.StatusCode != http.StatusOK {
		t.Errorf("status %s", l.response.Status)
	}
	l.readToEnd()
	s.web.Client().CloseIdleConnections()
	s.web.CloseClientConnections()
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}
