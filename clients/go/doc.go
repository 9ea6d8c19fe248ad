// Package pgherald follows the tables of a pgherald server: as events, or as a set of rows that stays equal to the
// database.
//
//	client, err := pgherald.New("https://example.com", pgherald.Options{Token: token})
//
//	for event, err := range client.Events(ctx, pgherald.Filter{Types: []string{"order_paid"}}) {
//		switch {
//		case err != nil:
//			return err // another attempt would not help
//		case event.Sync != nil:
//			// the state of the stream; after a reset, load everything again
//		default:
//			fmt.Println(event.Type, string(event.Data))
//		}
//	}
//
//	orders := client.Collection("orders", pgherald.Query{
//		Where: pgherald.Where{"status": {pgherald.In("open", "paid")}},
//		Order: "total.desc",
//		Limit: 50,
//	})
//	for change, err := range orders.Changes(ctx) {
//		if err != nil {
//			return err
//		}
//		for key, row := range orders.All() {
//			fmt.Println(key, string(row)) // of the 50 highest totals
//		}
//	}
//
// It keeps the contract of docs/protocol.md:
//
//   - A stream yields each event once, across lost connections and restarts of the server. It resumes at its cursor.
//   - It connects again after everything that may pass: a broken or silent connection, 408, 425, 429, 5xx, a drain. It
//     waits for what the server demands (retry, Retry-After), plus a random time.
//   - It renews a token before it expires, and gets another one after a 401.
//   - A collection shows transactions whole, follows rows that come to match its filter or no longer do, loads rows
//     whose events came without their data, and loads all rows again after a reset.
//   - With an order or a limit, it shows the rows that the list of the server would have, in that order.
//   - Where a proxy lets no stream through, it asks for one page of events after another.
//
// Iterators run in the goroutine of their loop. They start no goroutine that outlives them. The package imports the
// standard library only; the package pgheraldtest has a server for tests.
package pgherald
