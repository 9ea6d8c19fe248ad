package limit

// Remembered is how many addresses the gate remembers.
func Remembered(g *Gate) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.addresses)
}
