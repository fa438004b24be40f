package storm

// Plot draws the report.
func (r *Report) Plot(string) error { return nil }
