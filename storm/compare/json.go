package compare

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"example.com/restart/storm/report"
)

// saved is a Result in JSON.
type saved struct {
	Name   string         `json:"name"`
	Report *report.Report `json:"report,omitempty"`
	Error  string         `json:"error,omitempty"`
}

// WriteJSON writes the results with their whole reports.
func WriteJSON(w io.Writer, results []Result) error {
	var all []saved
	for _, r := range results {
		s := saved{Name: r.Name, Report: r.Report}
		if r.Err != nil {
			s.Error = r.Err.Error()
		}
		all = append(all, s)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(all); err != nil {
		return fmt.Errorf("storm: write JSON: %w", err)
	}
	return nil
}

// ReadJSON reads the output of WriteJSON.
func ReadJSON(r io.Reader) ([]Result, error) {
	var all []saved
	if err := json.NewDecoder(r).Decode(&all); err != nil {
		return nil, fmt.Errorf("storm: read JSON: %w", err)
	}
	var results []Result
	for _, s := range all {
		x := Result{Name: s.Name, Report: s.Report}
		if s.Report == nil {
			x.Err = errors.New(s.Error)
		}
		results = append(results, x)
	}
	return results, nil
}
