package report

import (
	"fmt"
	"strings"
)

// Skipped returns a line for each reason for which classes did not run, such as "tls, h2 (no TLS address)".
func Skipped(classes []Class) (lines []string) {
	var reasons []string
	names := map[string][]string{}
	for _, c := range classes {
		if c.Skipped == "" {
			continue
		}
		if names[c.Skipped] == nil {
			reasons = append(reasons, c.Skipped)
		}
		names[c.Skipped] = append(names[c.Skipped], c.Name)
	}
	for _, why := range reasons {
		lines = append(lines, fmt.Sprintf("%s (%s)", strings.Join(names[why], ", "), why))
	}
	return lines
}
