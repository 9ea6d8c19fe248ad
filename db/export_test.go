package db

import "time"

// SetAbandoned sets how long the statements of a request go on without its client.
func (p *Pool) SetAbandoned(d time.Duration) { p.abandoned = d }
