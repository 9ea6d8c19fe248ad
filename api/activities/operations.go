package activities

import (
	"maps"
	"slices"

	"github.com/pgherald/pgherald/api/request"
	"github.com/pgherald/pgherald/api/schema"
)

type object = map[string]any

// Operations describes the routes for the API's documents, by method and path.
func Operations() map[string]schema.Operation {
	const all, one = "/api/activities", "/api/activities/{id}"
	id := object{"name": "id", "in": "path", "required": true, "schema": object{"type": "string", "format": "uuid"}}
	operations := map[string]schema.Operation{}
	add := func(route, name, summary, body string, responses object, parameters ...object) {
		operation := object{"operationId": name, "summary": summary, "responses": responses, "tags": []string{"activities"}}
		if len(parameters) > 0 {
			operation["parameters"] = parameters
		}
		if body != "" {
			operation["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": ref(body)}}}
		}
		operations[route] = schema.Operation{Object: operation, Schemas: schemas()}
	}
	add("GET "+all, "listActivities", "List activities, newest first", "", respond("200", "ActivityPage"), append(filterParameters(), pageParameters()...)...)
	add("POST "+all, "createActivity", "Create an activity", "NewActivity", respond("201", "Activity"))
	add("GET "+one, "getActivity", "Get an activity", "", respond("200", "Activity", "404"), id)
	add("PUT "+one, "changeActivity", "Change an activity", "ActivityChange", respond("200", "Activity", "404"), id)
	add("DELETE "+one, "deleteActivity", "Delete an activity", "", respond("204", "", "404"), id)
	add("GET "+one+"/notes", "listNotes", "List the notes of an activity, newest first", "", respond("200", "NotePage", "404"), append(pageParameters(), id)...)
	add("POST "+one+"/notes", "addNote", "Add a note", "NewNote", respond("201", "Note", "404"), id)
	add("PUT "+one+"/assignment", "assignActivity", "Assign an activity", "Assignment", respond("200", "Activity", "404"), id)
	add("DELETE "+one+"/assignment", "unassignActivity", "Unassign an activity", "", respond("204", "", "404"), id)
	return operations
}

func ref(name string) object { return object{"$ref": "#/components/schemas/" + name} }

// respond returns the responses of an operation: a success with a body, if that is not empty, and problems.
func respond(status, body string, problems ...string) object {
	success := object{"description": "OK"}
	if body != "" {
		success["content"] = object{"application/json": object{"schema": ref(body)}}
	}
	responses := object{status: success}
	for _, problem := range append(problems, "400", "503") {
		responses[problem] = object{"$ref": "#/components/responses/Problem"}
	}
	return responses
}

func filterParameters() []object {
	var parameters []object
	for _, f := range filters() {
		parameters = append(parameters, object{"name": f.name, "in": "query", "schema": object{"type": "array", "items": text(0)}})
	}
	return parameters
}

func pageParameters() []object {
	return []object{{"$ref": "#/components/parameters/" + request.LimitParam}, {"$ref": "#/components/parameters/" + request.AfterParam}}
}

// text is the schema of a text of up to length characters, any text if that is 0.
func text(length int) object {
	if length == 0 {
		return object{"type": "string"}
	}
	return object{"type": "string", "minLength": 1, "maxLength": length}
}

// record returns the schema of an object. The optional members may be absent.
func record(members, optional object) object {
	properties := maps.Clone(optional)
	if properties == nil {
		properties = object{}
	}
	maps.Copy(properties, members)
	schema := object{"type": "object", "properties": properties}
	if len(members) > 0 {
		schema["required"] = slices.Sorted(maps.Keys(members))
	}
	return schema
}

func schemas() object {
	label, moment, none := text(request.LabelLength), object{"type": "string", "format": "date-time"}, object{"type": "null"}
	assignee := object{"anyOf": []object{label, none}}
	kind := object{"type": "string", "enum": updateTypes()}
	next := object{"type": []string{"string", "null"}}
	latest := record(object{"notes": text(0), "authorId": text(0), "updateType": kind}, nil)
	note := record(object{"id": object{"type": "integer"}, "activityId": text(0), "notes": text(0), "authorId": text(0), "updateType": kind, "createdAt": moment}, nil)
	return object{
		"Activity": record(object{
			"id": object{"type": "string", "format": "uuid"}, "category": text(0), "subcategory": text(0), "location": text(0), "status": text(0), "reporter": text(0),
			"assignedTo": next, "latestUpdate": object{"anyOf": []object{latest, none}}, "createdAt": moment, "updatedAt": moment, "timestamp": moment,
		}, nil),
		"ActivityPage": record(object{"activities": object{"type": "array", "items": ref("Activity")}, "cursor": ref("Cursor"), "next": next}, nil),
		"Note":         note,
		"NotePage":     record(object{"notes": object{"type": "array", "items": ref("Note")}, "cursor": ref("Cursor"), "next": next}, nil),
		"NewActivity": record(object{"category": label, "subcategory": label, "location": label, "reporter": label},
			object{"status": label, "assignedTo": assignee}),
		"ActivityChange": record(nil, object{
			"category": label, "subcategory": label, "location": label, "status": label, "assignedTo": assignee,
			"notes": text(maxNotes), "authorId": label, "updateType": kind,
		}),
		"NewNote":    record(object{"notes": text(maxNotes), "authorId": label}, object{"updateType": kind}),
		"Assignment": record(object{"assigneeId": label}, object{"assignedBy": label}),
	}
}
