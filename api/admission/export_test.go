package admission

// AddressCount returns how many addresses the controller remembers.
func AddressCount(c *Controller) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.addresses)
}
