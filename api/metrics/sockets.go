package metrics

// SocketLimit names a limit of sockets.
type SocketLimit string

// The limits of sockets: of the server, and of one address.
const (
	SocketsTotal   SocketLimit = "total"
	SocketsAddress SocketLimit = "address"
)

// SocketLimits returns all limits of sockets.
func SocketLimits() []SocketLimit { return []SocketLimit{SocketsTotal, SocketsAddress} }

// SocketsOpen sets the number of open sockets.
func (m *Metrics) SocketsOpen(n int) { m.sockets.Set(float64(n)) }

// SocketEvicted counts a socket that was closed to make room for another.
func (m *Metrics) SocketEvicted(limit SocketLimit) { m.evicted.WithLabelValues(string(limit)).Inc() }

// SocketRefused counts a new socket that was closed for lack of room.
func (m *Metrics) SocketRefused(limit SocketLimit) { m.refused.WithLabelValues(string(limit)).Inc() }

// SocketFlooded counts a socket that was closed because its client sent much more than its requests account for.
func (m *Metrics) SocketFlooded() { m.flooded.Inc() }
