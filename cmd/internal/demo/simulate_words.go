package main

// What the demo makes activities of.
var (
	categories    = []string{"Maintenance", "Safety", "Logistics", "Cleaning"}
	subcategories = map[string][]string{
		"Maintenance": {"HVAC", "Lighting", "Elevator", "Plumbing"},
		"Safety":      {"Fire drill", "Incident", "Inspection"},
		"Logistics":   {"Delivery", "Pickup", "Inventory"},
		"Cleaning":    {"Spill", "Windows", "Waste"},
	}
	locations = []string{"HQ, floor 1", "HQ, floor 2", "Warehouse", "Lab", "Parking"}
	people    = []string{"ada", "grace", "linus", "margaret", "ken"}
	statuses  = []string{"open", "in_progress", "blocked", "resolved", "closed"}
	notes     = []string{
		"Parts are ordered.", "Waiting for access.", "Done, please check.", "Called the vendor.", "Needs a second pair of hands.",
	}
)
