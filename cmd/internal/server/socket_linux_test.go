package server

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// acceptFrom returns a connection that a socket for clients has accepted. Its client reads nothing.
func acceptFrom(t *testing.T) *net.TCPConn {
	t.Helper()
	l, err := Socket(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if err := client.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

// TestAcceptedConnectionsLimitSilence reads the option that an accepted connection inherits.
func TestAcceptedConnectionsLimitSilence(t *testing.T) {
	raw, err := acceptFrom(t).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var got int
	if err := raw.Control(func(fd uintptr) {
		got, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
	}); err != nil || got != int(maxSilence.Milliseconds()) {
		t.Errorf("TCP_USER_TIMEOUT is %d, %v; want %d", got, err, maxSilence.Milliseconds())
	}
}

// TestKernelKeepsLittleOfWhatIsNotRead writes to a client that reads nothing. The kernel takes what fits into the window of the client
// too, and finishes the piece that it has begun. A deadline may pass because this process stood still, so three have to.
func TestKernelKeepsLittleOfWhatIsNotRead(t *testing.T) {
	conn := acceptFrom(t)
	skipUnlessUnsentIsLimited(t, conn)
	taken, full := 0, 0
	for piece := make([]byte, 64<<10); full < 3 && taken <= 4*maxUnsent; {
		if err := conn.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Write(piece)
		taken += n
		if full++; err == nil || n > 0 {
			full = 0
		}
	}
	if taken < maxUnsent/4 || taken > 4*maxUnsent {
		t.Errorf("the kernel has taken %d bytes, want about %d", taken, maxUnsent)
	}
}

// skipUnlessUnsentIsLimited skips the test on a kernel without the option, such as gVisor's.
func skipUnlessUnsentIsLimited(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var known error
	if err := raw.Control(func(fd uintptr) { _, known = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT) }); err != nil {
		t.Fatal(err)
	}
	if known != nil {
		t.Skip("the kernel does not limit what is not sent:", known)
	}
}
