package api_test

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"
)

// A second Close must not touch the file descriptors of the first one, which belong to another server by then.
func TestCloseTwice(t *testing.T) {
	first := newStreamServer(t, streamServerOptions{})
	first.openSynced("")
	first.shutDown()
	second := newStreamServer(t, streamServerOptions{})
	var clients []*streamClient
	for range 8 { // more than the first server had
		clients = append(clients, second.openSynced(""))
	}
	first.api.Close()
	clients = append(clients, second.openSynced(""))
	second.commit("a")
	for _, c := range clients {
		c.readUntil(`"a"`)
	}
}

// A connection can be accepted while a server closes. Its stream ends at once and leaks nothing.
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
