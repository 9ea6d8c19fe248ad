package stream

// crowd is everybody who stands at one place with the same choice of events. Who of them hears what
// is decided once for all whose grants make the same difference there.
type crowd struct {
	end      uint64            // what comes from here on is not in tags, and must wait
	cut      bool              // something is there already
	tags     map[string]uint16 // those that stand in audiences before end, numbered; nil if none do
	public   *portion          // what everyone is due, where there are no tags
	portions map[class]*portion
}

// class is the grants that matter at a place, as the numbers of their tags, in the order of the
// grants.
type class [6]uint16

// maxTags is how many tags a crowd tells apart. Where there are more, each is served for himself.
const maxTags = 1 << 15

// end is the position behind the newest entry.
func (f *Feed) end() uint64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.ring.end()
}

// crowdAt finds out which grants matter at a place, for limit bytes. Where the feed has moved on,
// none do: nothing is sent from there.
func (f *Feed) crowdAt(at place, limit int) *crowd {
	f.mu.RLock()
	defer f.mu.RUnlock()
	r := f.ring
	c := &crowd{end: r.end()}
	if at.generation != f.generation || at.pos < r.first {
		return c
	}
	c.end = at.pos
	for n := 0; c.end < r.end() && n < limit; c.end++ {
		e := r.at(c.end)
		n += e.length
		if e.restricted() {
			c.note(e)
		}
	}
	c.cut = c.end < r.end()
	return c
}

// note numbers the tags of an entry, from 1 on.
func (c *crowd) note(e *entry) {
	if c.tags == nil {
		c.tags = make(map[string]uint16)
		c.portions = make(map[class]*portion)
	}
	for i := range e.frames {
		for _, tag := range e.frames[i].audience {
			if _, known := c.tags[tag]; !known && len(c.tags) <= maxTags {
				c.tags[tag] = uint16(len(c.tags) + 1)
			}
		}
	}
}

// classOf is false for somebody who has to be served alone.
func (c *crowd) classOf(grants []string) (class, bool) {
	var of class
	if len(c.tags) > maxTags {
		return of, false
	}
	n := 0
	for _, g := range grants {
		tag, matters := c.tags[g]
		if !matters {
			continue
		}
		if n == len(of) {
			return of, false
		}
		of[n] = tag
		n++
	}
	return of, true
}
