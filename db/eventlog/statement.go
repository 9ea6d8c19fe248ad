package eventlog

import "github.com/pgherald/pgherald/stream"

// eventsSQL is the beginning of a statement that returns events. It selects one row that holds the state; an eventsBranch or
// a fastBranch follows. plainSQL is that of a statement without the former columns.
const (
	eventsSQL = stateSQL + `,
    null::text[] as audience_was,
    null::json as was` + fromSQL
	plainSQL = stateSQL + fromSQL

	fromSQL = `
from pgherald.log as l
union all`
)

const stateSQL = `
select` + stateColumns + `,
    null::bigint as id,
    null::xid8 as xid,
    null::timestamptz as at,
    null::smallint as shape,
    null::text as type,
    null::text as key,
    null::text[] as audience,
    null::json as data`

// eventsBranch selects events; a condition on e follows. $1 is the largest size of an event in bytes, $2
// says which part of the events to read, and $3 to $6 are an interest: whether it is in everything, its types, its
// keys and its grants.
//
// PostgreSQL decides about each event before it sends any of it: the shape says what of the event fits.
// The sizes of type and key, and the stored sizes, are known without reading the values. The values
// themselves are read only if the stored size leaves the question open: PostgreSQL compresses a value to
// a 255th at best. "offset 0" makes PostgreSQL compute the shape once.
const eventsBranch = `
    select
        null, null, null, null, null,
        e.id,
        e.xid,
        e.at,
        s.shape,
        case when s.shape <= ` + typeOnly + ` and octet_length(e.type) <= ` + maxName + ` then e.type end,
        case when s.shape = ` + whole + ` or s.shape = ` + oversized + ` and octet_length(e.key) <= ` + maxName + ` then e.key end,
        case when s.shape <= ` + oversized + ` then e.audience end,
        case when s.shape = ` + whole + ` then e.data end,
        case when s.shape <= ` + oversized + ` then e.audience_was end,
        case when s.shape = ` + whole + ` then e.was end
    from pgherald.events as e
    cross join lateral (
        select
            octet_length(e.type)::bigint
            + coalesce(octet_length(e.key), 0)
            + coalesce(octet_length(array_to_string(e.audience, '')) + 16 * cardinality(e.audience), 0)
            + coalesce(octet_length(array_to_string(e.audience_was, '')) + 16 * cardinality(e.audience_was), 0) as bytes,
            pg_column_size(e.data)::bigint + coalesce(pg_column_size(e.was), 0) as stored
    ) as other
    cross join lateral (
        select
            case
                when $2::smallint <> ` + whole + ` then $2
                when octet_length(e.type) > ` + maxName + ` then ` + typeOnly + `
                when pg_column_size(e.audience) > ` + maxAudience + ` then ` + typeOnly + `
                when cardinality(e.audience) > ` + maxTags + ` then ` + typeOnly + `
                when octet_length(array_to_string(e.audience, '')) > ` + maxAudience + ` then ` + typeOnly + `
                when pg_column_size(e.audience_was) > ` + maxAudience + ` then ` + typeOnly + `
                when cardinality(e.audience_was) > ` + maxTags + ` then ` + typeOnly + `
                when octet_length(array_to_string(e.audience_was, '')) > ` + maxAudience + ` then ` + typeOnly + `
                when other.stored - 8 + other.bytes > $1::bigint then ` + oversized + `
                when other.stored * 256 + other.bytes <= $1 then ` + whole + `
                when octet_length(e.data::text) + coalesce(octet_length(e.was::text), 0) + other.bytes <= $1 then ` + whole + `
                else ` + oversized + `
            end::smallint as shape
        offset 0
    ) as s
    where
        ` + ofInterest

// ofInterest is the condition for events e in which the interest in $3 to $6 is.
const ofInterest = `($3::boolean or e.type = '` + stream.TypeCollectionReset + `' or (
            ($4::text[] is null or e.type = any($4))
            and ($5::text[] is null or coalesce(e.key, '') = any($5))
            and (e.audience is null or e.audience && $6::text[] or e.audience_was && $6)
        ))`

// fastBranch selects events like eventsBranch, and takes half the time to set up, which counts in the common
// read of one event. It sends the values that are surely small, and calls an event whole only if all of its
// values are: the others have to be read again. $1 is the largest stored size of such data in bytes, with the former values.
const fastBranch = fastBegin + `
                and pg_column_size(e.data) + coalesce(pg_column_size(e.was), 0) <= $1
                and coalesce(pg_column_size(e.audience_was) <= ` + maxName + `, true)` + fastColumns + `,
        case when pg_column_size(e.audience_was) <= ` + maxName + ` then e.audience_was end,
        case when pg_column_size(e.was) <= $1 then e.was end` + fastFrom

// plainBranch is a fastBranch for plainSQL, and takes another tenth less. Events with former values have to be read again.
const plainBranch = fastBegin + `
                and pg_column_size(e.data) <= $1
                and e.was is null
                and e.audience_was is null` + fastColumns + fastFrom

// The parts of a fastBranch.
const (
	fastBegin = `
    select
        null, null, null, null, null,
        e.id,
        e.xid,
        e.at,
        case
            when
                octet_length(e.type) <= ` + maxName + `
                and coalesce(octet_length(e.key) <= ` + maxName + `, true)
                and coalesce(pg_column_size(e.audience) <= ` + maxName + `, true)`
	fastColumns = `
            then ` + whole + `
            else ` + identity + `
        end::smallint,
        case when octet_length(e.type) <= ` + maxName + ` then e.type end,
        case when octet_length(e.key) <= ` + maxName + ` then e.key end,
        case when pg_column_size(e.audience) <= ` + maxName + ` then e.audience end,
        case when pg_column_size(e.data) <= $1 then e.data end`
	fastFrom = `
    from pgherald.events as e
    where`
)

// fastData returns the largest stored size of data that is small for fastBranch: even if PostgreSQL has
// compressed the data and both audiences to a 255th, the event is not oversized.
func fastData(maxEventBytes int64) int64 { return max(-1, maxEventBytes/256-2300) }

// Bounds of what a read fetches of an event, whatever its size.
const (
	maxName     = "1000"    // bytes of a type, and of the key of an oversized event: no filter names a longer one
	maxAudience = "1048576" // bytes of an audience, present or former
	maxTags     = "20000"   // tags of one
)

// The shapes of an event: what a read fetches of it. As parameter $2, all but whole ask for that shape of
// every event.
const (
	whole     = "0" // everything
	oversized = "1" // the event is too large: everything but the values, former ones included, and the key if it is short
	typeOnly  = "2" // the type or an audience is too large: the type, if it is short
	identity  = "3" // the id, the transaction and the time
)

// The columns of a statement that begins with eventsSQL.
const (
	logIDColumn = iota
	recoveryColumn
	lsnColumn
	prunedBelowColumn
	snapshotColumn
	idColumn
	xidColumn
	atColumn
	shapeColumn
	typeColumn
	keyColumn
	audienceColumn
	dataColumn
	audienceWasColumn
	wasColumn
)

// statement is a statement that begins with eventsSQL, and its limits.
type statement struct {
	sql   string
	args  []any // from $7 on
	wants stream.Interest
	rows  int // the page keeps at most this many events
}

// endedHoles selects the transactions of the parameter that have ended. A running one has no visible
// events, yet a bulk load may have written a million rows that each read would inspect.
const (
	endedHolesBegin = `array(
        select h.xid
        from unnest(`
	endedHolesEnd = `::xid8[]) as h (xid)
        where pg_visible_in_snapshot(h.xid, pg_current_snapshot())
    )`
)

// plainNewSQL returns the events that a cursor without holes has not seen. It is one statement, so that
// the events and the snapshot are of the same moment.
const plainNewSQL = plainSQL + `
(` + plainBranch + `
        e.xid >= $2
    limit $3
)`

// plainHolesSQL returns the events that a cursor with holes has not seen. Cursors without holes use
// plainNewSQL, because PostgreSQL would set up the second look-up for an empty array too, which delays
// the common read of one event.
const plainHolesSQL = plainNewSQL + `
union all
(` + plainBranch + `
        e.xid = any(` + endedHolesBegin + `$4` + endedHolesEnd + `)
    limit $3
)`

// fastNewSQL is plainNewSQL with the former columns.
const fastNewSQL = eventsSQL + `
(` + fastBranch + `
        e.xid >= $2
    limit $3
)`

// fastSQL is plainHolesSQL with the former columns.
const fastSQL = fastNewSQL + `
union all
(` + fastBranch + `
        e.xid = any(` + endedHolesBegin + `$4` + endedHolesEnd + `)
    limit $3
)`

// readSQL returns what fastSQL returns, but can read every event.
const readSQL = eventsSQL + `
(` + eventsBranch + `
        and e.xid >= $7
    limit $8
)
union all
(` + eventsBranch + `
        and e.xid = any(` + endedHolesBegin + `$9` + endedHolesEnd + `)
    limit $8
)`

// pageSQL returns the events of transactions.
const pageSQL = eventsSQL + eventsBranch + `
        and e.xid = any($7)`

// partSQL returns the next events of one transaction.
const partSQL = eventsSQL + `
(` + eventsBranch + `
        and e.xid = $7 and e.id > $8
    order by e.id
    limit $9
)`

// idsSQL returns single events.
const idsSQL = eventsSQL + eventsBranch + `
        and e.xid = any($7) and e.id = any($8)`
