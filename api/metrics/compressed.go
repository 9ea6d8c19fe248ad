package metrics

// Compressed counts bytes of compressed streams, before and after compression.
func (m *Metrics) Compressed(plain, sent int64) {
	m.plain.Add(float64(plain))
	m.compressed.Add(float64(sent))
}
