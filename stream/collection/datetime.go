package collection

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Dates and times are read in one form, ISO 8601 as to_json and JavaScript write it, with " BC" at the end for years
// before 1. Value.n has the days or the microseconds since 2000, or an infinity.
const (
	plusForever  = math.MaxInt64
	minusForever = math.MinInt64

	firstDay     = -2451545       // 4714-11-24 BC, with which PostgreSQL's dates and times begin
	endOfDates   = 2145031949     // 5874898-01-01
	endOfTimes   = 106751983      // 294277-01-01, in days
	microsPerDay = 86_400_000_000 // PostgreSQL has no leap seconds
)

func newDate(text string) (Value, bool) {
	if v, ok := newForever(text); ok {
		return v, true
	}
	text, isBC := strings.CutSuffix(text, " BC")
	days, rest, ok := cutDate(text, isBC)
	return Value{state: known, n: days}, ok && rest == ""
}

func newTimestamp(text string) (Value, bool) {
	if v, ok := newForever(text); ok {
		return v, true
	}
	text, isBC := strings.CutSuffix(text, " BC")
	days, rest, ok := cutDate(text, isBC)
	if !ok || days >= endOfTimes {
		return Value{}, false
	}
	if rest == "" { // a date is its midnight
		return Value{state: known, n: days * microsPerDay}, true
	}
	micros, rest, ok := cutTime(rest)
	return Value{state: known, n: days*microsPerDay + micros}, ok && rest == ""
}

func newTimestamptz(text string) (Value, bool) {
	if v, ok := newForever(text); ok {
		return v, true
	}
	text, isBC := strings.CutSuffix(text, " BC")
	days, rest, ok := cutDate(text, isBC)
	if !ok || days > endOfTimes {
		return Value{}, false
	}
	micros, rest, ok := cutTime(rest)
	if !ok {
		return Value{}, false
	}
	east, ok := parseOffset(rest)
	if !ok {
		return Value{}, false
	}
	n := days*microsPerDay + micros - east
	return Value{state: known, n: n}, n >= firstDay*microsPerDay && n < endOfTimes*microsPerDay
}

func newForever(text string) (Value, bool) {
	switch text {
	case "infinity":
		return Value{state: known, n: plusForever}, true
	case "-infinity":
		return Value{state: known, n: minusForever}, true
	}
	return Value{}, false
}

// cutDate reads YYYY-MM-DD, with more digits only for years above 9999, and returns the day and what follows.
func cutDate(text string, isBC bool) (days int64, rest string, ok bool) {
	y, rest, _ := strings.Cut(text, "-")
	if !isDigits(y) || len(y) < 4 || len(y) > 7 || len(y) > 4 && y[0] == '0' {
		return 0, "", false
	}
	year, _ := strconv.Atoi(y)
	month, rest, isMonth := cutNumber(rest, "", 12)
	day, rest, isDay := cutNumber(rest, "-", 31)
	if !isMonth || !isDay || year < 1 || month < 1 || day < 1 {
		return 0, "", false
	}
	if isBC {
		year = 1 - year
	}
	if days = daysSince2000(year, month, day); days < firstDay || days >= endOfDates {
		return 0, "", false
	}
	y2, m2, d2 := civil(days)
	return days, rest, y2 == year && m2 == month && d2 == day // there is no 30th of February
}

// cutTime reads a separator, HH:MM, perhaps :SS, perhaps a fraction, and returns the time of day and what follows.
func cutTime(text string) (micros int64, rest string, ok bool) {
	if text == "" || text[0] != 'T' && text[0] != ' ' {
		return 0, "", false
	}
	hour, rest, isHour := cutNumber(text[1:], "", 23)
	minute, rest, isMinute := cutNumber(rest, ":", 59)
	if !isHour || !isMinute {
		return 0, "", false
	}
	micros = int64(hour*60+minute) * 60_000_000
	second, after, hasSecond := cutNumber(rest, ":", 59)
	if !hasSecond {
		return micros, rest, true
	}
	micros += int64(second) * 1_000_000
	fraction, found := strings.CutPrefix(after, ".")
	if !found {
		return micros, after, true
	}
	end := 0
	for end < len(fraction) && fraction[end] >= '0' && fraction[end] <= '9' {
		end++
	}
	if end == 0 || end > 6 {
		return 0, "", false
	}
	n, _ := strconv.Atoi(fraction[:end] + "00000"[end-1:])
	return micros + int64(n), fraction[end:], true
}

// parseOffset reads Z, ±HH or ±HH:MM and returns the microseconds east of UTC.
func parseOffset(text string) (east int64, ok bool) {
	if text == "Z" {
		return 0, true
	}
	if text == "" || text[0] != '+' && text[0] != '-' {
		return 0, false
	}
	const farthest = 15 // hours, in PostgreSQL
	hours, rest, ok := cutNumber(text[1:], "", farthest)
	if !ok {
		return 0, false
	}
	minutes := 0
	if rest != "" {
		if minutes, rest, ok = cutNumber(rest, ":", 59); !ok || rest != "" {
			return 0, false
		}
	}
	east = int64(hours*60+minutes) * 60_000_000
	if text[0] == '-' {
		east = -east
	}
	return east, true
}

// cutNumber reads the separator and two digits.
func cutNumber(text, separator string, most int) (n int, rest string, ok bool) {
	text, found := strings.CutPrefix(text, separator)
	if !found || len(text) < 2 || !isDigits(text[:2]) {
		return 0, "", false
	}
	n = int(text[0]-'0')*10 + int(text[1]-'0')
	return n, text[2:], n <= most
}

func daysSince2000(year, month, day int) int64 {
	return (time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Unix() - unix2000) / 86_400
}

func civil(days int64) (year, month, day int) {
	y, m, d := time.Unix(unix2000+days*86_400, 0).UTC().Date()
	return y, int(m), d
}

const unix2000 = 946_684_800

func formatDate(v *Value) string { return formatDay(v.n, "") }

func formatTimestamp(v *Value) string { return formatMicros(v.n, "") }

func formatTimestamptz(v *Value) string { return formatMicros(v.n, "+00:00") }

func formatMicros(n int64, zone string) string {
	if n == plusForever || n == minusForever {
		return formatDay(n, "")
	}
	days := n / microsPerDay
	if n%microsPerDay < 0 {
		days--
	}
	micros := n - days*microsPerDay
	seconds := micros / 1_000_000
	text := fmt.Sprintf("T%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
	if micros %= 1_000_000; micros != 0 {
		text += strings.TrimRight(fmt.Sprintf(".%06d", micros), "0")
	}
	return formatDay(days, text+zone)
}

// formatDay returns a day with the time of day after it.
func formatDay(days int64, timeOfDay string) string {
	switch days {
	case plusForever:
		return "infinity"
	case minusForever:
		return "-infinity"
	}
	year, month, day := civil(days)
	if year < 1 {
		return fmt.Sprintf("%04d-%02d-%02d%s BC", 1-year, month, day, timeOfDay)
	}
	return fmt.Sprintf("%04d-%02d-%02d%s", year, month, day, timeOfDay)
}
