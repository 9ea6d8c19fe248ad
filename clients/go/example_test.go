package pgherald_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	pgherald "github.com/pgherald/pgherald/clients/go"
	"github.com/pgherald/pgherald/clients/go/pgheraldtest"
)

// scripted returns the URL of a server that plays the steps.
func scripted(steps ...pgheraldtest.Step) (url string, end func()) {
	server := httptest.NewServer(&pgheraldtest.Server{Steps: steps})
	return server.URL, server.Close
}

// A stream ends with an error only if another attempt would not help, or with its context.
func ExampleClient_Events() {
	url, end := scripted(pgheraldtest.Send(
		pgheraldtest.WithID("c0", pgheraldtest.Sync(`{"mode":"live"}`)),
		pgheraldtest.WithID("c1", pgheraldtest.Event(`{"id":1,"type":"order_paid","data":{"order":7},"timestamp":1764000000000}`)),
	))
	defer end()

	client, err := pgherald.New(url, pgherald.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	for event, err := range client.Events(context.Background(), pgherald.Filter{Types: []string{"order_paid"}}) {
		var refused *pgherald.RefusedError
		switch {
		case errors.As(err, &refused):
			fmt.Println("refused:", refused.Status)
		case err != nil:
			fmt.Println(err)
		case event.Sync != nil && event.Sync.Mode == pgherald.ModeReset:
			fmt.Println("events may be missing: load everything again")
		case event.Sync != nil:
			fmt.Println(event.Sync.Mode)
		default:
			fmt.Println(event.Type, string(event.Data), "resume after", event.Cursor)
		}
	}
	// The scripted server has no more streams.

	// Output:
	// live
	// order_paid {"order":7} resume after c1
	// refused: 410
}

// A collection stays equal to the database: rows come and go with each transaction.
func ExampleClient_Collection() {
	url, end := scripted(
		pgheraldtest.JSON(`{"collections":[{"name":"orders","key":["id"],"fields":[{"name":"id"},{"name":"total"}],
			"filter":[{"name":"id","kind":"integer"},{"name":"total","kind":"numeric"}]}]}`),
		pgheraldtest.JSON(`{"rows":[{"id":7,"total":99.5},{"id":3,"total":12}],"keys":["7","3"],"cursor":"c0","snapshot":"800:800:","next":null}`),
		pgheraldtest.Send(
			pgheraldtest.WithID("c0", pgheraldtest.Sync(`{"mode":"resumed"}`)),
			pgheraldtest.WithID("c1", pgheraldtest.Event(`{"id":1,"type":"order_created","data":{"id":8,"total":50},"collection":"orders","op":"insert","key":"8","xid":"800","timestamp":1764000000000}`)),
		),
	)
	defer end()

	client, err := pgherald.New(url, pgherald.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	orders := client.Collection("orders", pgherald.Query{
		Where: pgherald.Where{"status": {pgherald.In("open", "paid")}},
		Order: "total.desc",
		Limit: 2,
	})
	for change, err := range orders.Changes(context.Background()) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(len(change.Put), "put,", len(change.Deleted), "gone")
		for key, row := range orders.All() {
			fmt.Println(" ", key, string(row))
		}
	}

	// Output:
	// 2 put, 0 gone
	//   7 {"id":7,"total":99.5}
	//   3 {"id":3,"total":12}
	// 1 put, 1 gone
	//   7 {"id":7,"total":99.5}
	//   8 {"id":8,"total":50}
	// the server answered 410 Gone
}

// A single page needs no stream. It has the cursor at which one continues.
func ExampleClient_List() {
	url, end := scripted(pgheraldtest.JSON(`{"rows":[{"id":7}],"keys":["7"],"cursor":"c0","snapshot":"800:800:","next":null,"count":1}`))
	defer end()

	client, err := pgherald.New(url, pgherald.Options{Header: http.Header{"X-Tenant": {"a"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	page, err := client.List(context.Background(), "orders", pgherald.ListOptions{
		Query: pgherald.Query{Where: pgherald.Where{"total": {pgherald.Gte(10)}}, Limit: 10},
		Count: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(*page.Count, string(page.Rows[0]), page.Cursor)

	// Output: 1 {"id":7} c0
}
