package schema

import (
	"maps"
	"net/http"
	"strings"
)

// OpenAPI returns the OpenAPI 3.1 document of the routes.
func OpenAPI(s Source) []byte {
	g := generator{s, "#/components/schemas/"}
	schemas, paths := g.schemas(), object{}
	for _, r := range s.Routes {
		for path, operation := range g.operations(r) {
			if paths[path] == nil {
				paths[path] = object{}
			}
			paths[path].(object)[strings.ToLower(r.Method)] = g.complete(operation, r)
		}
		if r.Operation != nil {
			maps.Copy(schemas, r.Operation.Schemas)
		}
	}
	document := object{
		"openapi": "3.1.0",
		"info": object{
			"title": "pgherald", "version": s.Version,
			"description": "Rows of PostgreSQL, and the events of their changes. HEAD is supported where GET is.",
			"license":     object{"name": "Apache 2.0", "identifier": "Apache-2.0"},
		},
		"servers":    list{object{"url": "/"}},
		"paths":      paths,
		"components": object{"schemas": schemas, "responses": g.responses(), "headers": headers(), "parameters": parameters()},
	}
	if schemes := g.securitySchemes(); len(schemes) > 0 {
		document["components"].(object)["securitySchemes"] = schemes
		document["security"] = g.security("")
	}
	return encode(document)
}

// operations returns the Operation Objects of a route by path: one of the router's paths may stand for many.
func (g generator) operations(r Route) map[string]object {
	if r.Method == http.MethodHead {
		return nil
	}
	if r.Operation != nil {
		return map[string]object{r.Path: maps.Clone(r.Operation.Object)}
	}
	if describe := engineOperations()[r.Method+" "+r.Path]; describe != nil {
		return describe(g, r.Path)
	}
	return nil
}

// complete adds what all operations have.
func (g generator) complete(operation object, r Route) object {
	isHealth := strings.HasPrefix(r.Path, "/livez") || strings.HasPrefix(r.Path, "/healthz") || strings.HasPrefix(r.Path, "/readyz")
	responses := maps.Clone(operation["responses"].(object))
	responses["default"] = object{"$ref": "#/components/responses/Problem"}
	switch {
	case isHealth && g.Security.Tokens:
		operation["security"] = list{}
	case r.Path == eventsPath && r.Method == http.MethodGet && g.Security.Tickets:
		operation["security"] = g.security("ticket")
	}
	if g.Security.Tokens && !isHealth {
		responses["401"] = object{"$ref": "#/components/responses/Problem"}
	}
	if g.Security.Tokens && r.NeedsRole {
		responses["403"] = object{"$ref": "#/components/responses/Problem"}
		about, _ := operation["description"].(string)
		operation["description"] = strings.TrimSpace(about + " Needs a role.")
	}
	operation["responses"] = responses
	return operation
}

// securitySchemes returns the ways in which clients may identify themselves.
func (g generator) securitySchemes() object {
	schemes := object{}
	if g.Security.Tokens {
		schemes["token"] = object{"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
		schemes["cookie"] = object{"type": "apiKey", "in": "cookie", "name": "__Host-pgherald", "description": "The token, from pages of the server's own origin."}
	}
	if g.Security.TokensInURLs {
		schemes["tokenInURL"] = object{"type": "apiKey", "in": "query", "name": "access_token"}
	}
	if g.Security.Tickets {
		schemes["ticket"] = object{"type": "apiKey", "in": "query", "name": "ticket", "description": "From POST /api/tickets; opens one stream."}
	}
	return schemes
}

// security returns the requirement that one of the schemes is used. A ticket serves for streams only, and is named then.
func (g generator) security(more string) list {
	var requirements list
	for _, name := range []string{"token", "cookie", "tokenInURL", "ticket"} {
		if _, ok := g.securitySchemes()[name]; ok && (name != "ticket" || more == name) {
			requirements = append(requirements, object{name: list{}})
		}
	}
	return requirements
}

func (g generator) responses() object {
	return object{"Problem": object{
		"description": "What is wrong, and what to do.",
		"headers":     object{"Retry-After": object{"description": "of 429 and 503: seconds", "schema": object{"type": "integer"}}},
		"content":     object{"application/problem+json": object{"schema": g.ref("Problem")}},
	}}
}

func headers() object {
	return object{"Cursor": object{
		"description": "The cursor of the snapshot that the response shows: a stream with since=CURSOR continues after it.",
		"schema":      object{"type": "string"},
	}}
}
