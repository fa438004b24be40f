package report

// testReport has two restarts, of which the second one failed, and losses after the first one.
func testReport() *Report {
	r := &Report{
		Server: "server", Requests: 12, Lost: 2, Kept: 3, Survived: 1, Seconds: 3,
		Classes: []Class{
			{Name: "busy", Answered: 10, Reset: 2, Kept: 3, Survived: 1, Losses: []Loss{{1.05, "reset", "why"}}},
			{Name: "ws", Skipped: "no WebSocket"},
		},
		Restarts: []Restart{
			{Number: 1, At: 1, OldPID: 1, NewPID: 2, FirstAnswer: 20, Gone: 30},
			{Number: 2, At: 2, OldPID: 2, Failed: "nobody came"},
		},
	}
	for i := range 30 {
		r.Timeline = append(r.Timeline, Moment{At: float64(i) / 10, Answered: 1, P50: 1, P99: 2, Max: 3, PID: 1})
	}
	r.Timeline[11].Lost = 2
	return r
}
