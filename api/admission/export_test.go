package admission

// AddressCount returns how many addresses the controller remembers.
func AddressCount(c *Controller) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.addresses)
}

// LineCount returns the number of requesters that have requests.
func LineCount(q *Requests) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.lines)
}
