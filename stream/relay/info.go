package relay

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/pgherald/pgherald/stream"
)

// infoText is the form of an Info in a store.
type infoText struct {
	Incarnation string         `json:"incarnation"`
	Changes     []Change       `json:"changes"`
	Lineage     []recoveryText `json:"lineage"`
}

type recoveryText struct {
	ID        string   `json:"id"`
	Epoch     string   `json:"epoch"`
	Parent    string   `json:"parent,omitempty"`
	Survived  uint64   `json:"survived,omitempty"`
	Confirmed []string `json:"confirmed,omitempty"`
	AgeMs     int64    `json:"ageMs"`
}

// MarshalJSON returns the form in which stores keep the info.
func (i Info) MarshalJSON() ([]byte, error) {
	text := infoText{Incarnation: i.Incarnation, Changes: i.Changes}
	for _, r := range i.Lineage {
		t := recoveryText{ID: r.ID, Epoch: r.Epoch, Parent: r.Parent, Survived: r.Survived, AgeMs: r.Age.Milliseconds()}
		for _, c := range r.Confirmed {
			t.Confirmed = append(t.Confirmed, c.String())
		}
		text.Lineage = append(text.Lineage, t)
	}
	return json.Marshal(text)
}

// UnmarshalJSON reads that form.
func (i *Info) UnmarshalJSON(data []byte) error {
	var text infoText
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("read the state of the stream: %w", err)
	}
	*i = Info{Incarnation: text.Incarnation, Changes: text.Changes}
	for n, c := range i.Changes {
		if c.Kept >= c.At || n > 0 && c.At <= i.Changes[n-1].At {
			return fmt.Errorf("read the state of the stream: the change at entry %d is out of order", c.At)
		}
	}
	for _, t := range text.Lineage {
		r := stream.Recovery{ID: t.ID, Epoch: t.Epoch, Parent: t.Parent, Survived: t.Survived, Age: time.Duration(t.AgeMs) * time.Millisecond}
		for _, text := range t.Confirmed {
			c, err := stream.ParseCursor(text)
			if err != nil {
				return fmt.Errorf("read the state of the stream: %w", err)
			}
			r.Confirmed = append(r.Confirmed, c)
		}
		i.Lineage = append(i.Lineage, r)
	}
	return nil
}
