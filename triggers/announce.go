package triggers

// AppliedPayload is the notification on the control channel of the servers that says that triggers or specs have changed. It
// only wakes servers, which look for the change: every role of the database may send it.
const AppliedPayload = "spec"

// announceSQL tells the servers at the commit. It returns no row, which psql would print.
const announceSQL = "notify pgherald_control, '" + AppliedPayload + "'"

// announcement returns the change that does so, after all others.
func announcement() change {
	return change{action: "tell the servers", sql: []string{announceSQL}, silent: true}
}
