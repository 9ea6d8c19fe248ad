package collection

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// signBit makes the signed order of Value.n that of the upper bytes of a UUID.
const signBit = 1 << 63

// newUUID reads the form with hyphens, in either case. Value.n has its first eight bytes and low its last eight.
func newUUID(text string) (Value, bool) {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return Value{}, false
	}
	var digits [32]byte
	for to, from := 0, 0; from < len(text); from++ {
		if from == 8 || from == 13 || from == 18 || from == 23 {
			continue
		}
		digits[to] = text[from]
		to++
	}
	var b [16]byte
	if _, err := hex.Decode(b[:], digits[:]); err != nil {
		return Value{}, false
	}
	upper := binary.BigEndian.Uint64(b[:8]) ^ signBit
	return Value{state: known, n: int64(upper), low: binary.BigEndian.Uint64(b[8:])}, true
}

func formatUUID(v *Value) string {
	upper := uint64(v.n) ^ signBit
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", upper>>32, upper>>16&0xffff, upper&0xffff, v.low>>48, v.low&(1<<48-1))
}
