package schema

// eventsPath is the path of streams and custom events.
const eventsPath = "/api/events"

// engineOperations returns the descriptions of the engine's routes, by method and path of the router.
func engineOperations() map[string]func(g generator, path string) map[string]object {
	type describe = func(g generator, path string) map[string]object
	return map[string]describe{
		"GET " + eventsPath:                   generator.events,
		"POST " + eventsPath:                  generator.publish,
		"POST /api/events/{connection}/token": generator.renew,
		"GET /api/collections":                one("listCollections", "The collections", "Their keys, fields and filter fields.", "CollectionList"),
		"GET /api/collections/{rest:(?s:.*)}": generator.lists,
		"GET /api/log":                        generator.history,
		"GET /api/presence":                   generator.presence,
		"GET /api/log/counts":                 generator.counts,
		"GET /api/operations":                 one("getOperations", "All servers, the log and the triggers, for a console", "", "Operations"),
		"GET /api/stats":                      one("getStats", "Statistics", "", "Stats"),
		"POST /api/tickets":                   generator.ticket,
		"POST /api/revocations":               generator.revoke,
		"POST /api/disconnect":                generator.disconnect,
		"GET /api/schema":                     document("getSchema", "The JSON Schema of all rows and envelopes", "application/schema+json"),
		"GET /api/schema/openapi.json":        document("getOpenAPI", "This document", "application/json"),
		"GET /api/schema/asyncapi.json":       document("getAsyncAPI", "The AsyncAPI document of the events", "application/json"),
		"GET /livez":                          health("getLiveness", "Whether the process answers"),
		"GET /healthz":                        health("getHealth", "The same as /livez"),
		"GET /readyz":                         health("getReadiness", "Whether the server accepts streams"),
		"GET /readyz/fresh":                   health("getFreshness", "Whether it also reads the log, or no other server can"),
		"GET /readyz/events":                  health("getArrival", "Whether events arrive"),
	}
}

// response returns a successful response with a body.
func (g generator) response(description, schema string) object {
	return object{"description": description, "content": object{"application/json": object{"schema": g.ref(schema)}}}
}

// withCursor adds the header to a response.
func withCursor(response object) object {
	response["headers"] = object{"Pgherald-Cursor": object{"$ref": "#/components/headers/Cursor"}}
	return response
}

func problems(responses object, statuses ...string) object {
	for _, status := range statuses {
		responses[status] = object{"$ref": "#/components/responses/Problem"}
	}
	return responses
}

func operation(id, summary, description string, responses object) object {
	o := object{"operationId": id, "summary": summary, "responses": responses}
	if description != "" {
		o["description"] = description
	}
	return o
}

// one describes a GET without parameters.
func one(id, summary, description, schema string) func(generator, string) map[string]object {
	return func(g generator, path string) map[string]object {
		return map[string]object{path: operation(id, summary, description, object{"200": g.response("OK", schema)})}
	}
}

func health(id, summary string) func(generator, string) map[string]object {
	return func(g generator, path string) map[string]object {
		return map[string]object{path: operation(id, summary, "", object{"200": g.response("Yes", "Health"), "503": g.response("No", "Health")})}
	}
}

func document(id, summary, mediaType string) func(generator, string) map[string]object {
	return func(_ generator, path string) map[string]object {
		return map[string]object{path: operation(id, summary, "The document changes when the server starts with another spec. It has an ETag.", object{
			"200": object{"description": "OK", "content": object{mediaType: object{"schema": object{"type": "object"}}}},
			"304": object{"description": "The client has it (If-None-Match)."},
		})}
	}
}

func (g generator) body(schema string) object {
	return object{"required": true, "content": object{"application/json": object{"schema": g.ref(schema)}}}
}

func (g generator) publish(path string) map[string]object {
	o := operation("publishEvent", "Publish a custom event", "", problems(object{"201": g.response("It is in the log.", "Published")}, "400"))
	o["requestBody"] = g.body("CustomEvent")
	return map[string]object{path: o}
}

func (g generator) renew(path string) map[string]object {
	o := operation("renewStream", "Renew the token of a stream", "The request's token takes the place of the stream's.",
		problems(object{"200": g.response("The stream goes on.", "Renewal")}, "404", "409"))
	o["parameters"] = list{object{"name": "connection", "in": "path", "required": true, "description": "of the stream's first sync", "schema": object{"type": "string"}}}
	return map[string]object{path: o}
}

func (g generator) presence(path string) map[string]object {
	return map[string]object{path: operation("listPresence", "Who is online", "", object{"200": withCursor(g.response("OK", "Presence"))})}
}

func (g generator) ticket(path string) map[string]object {
	return map[string]object{path: operation("issueTicket", "Get a ticket for a stream", "For clients that cannot set headers.",
		object{"201": g.response("The ticket opens one stream.", "Ticket")})}
}

func (g generator) disconnect(path string) map[string]object {
	o := operation("disconnect", "End streams", "The tokens stay valid: without until, clients connect again at once.",
		problems(object{"200": g.response("The streams have ended at this server.", "Disconnected")}, "400"))
	o["requestBody"] = g.body("Disconnect")
	return map[string]object{path: o}
}

func (g generator) revoke(path string) map[string]object {
	o := operation("revokeTokens", "Revoke tokens", "", problems(object{"204": object{"description": "The tokens are refused from now on."}}, "400"))
	o["requestBody"] = g.body("Revocation")
	return map[string]object{path: o}
}
