package storm

import (
	"strings"
	"testing"
	"time"
)

func TestProgressLine(t *testing.T) {
	plain := formatProgress(false, 1500*time.Millisecond, 2, 0, 10, 1000, 3, 5, 9)
	if want := "  1.5s restarts 2/10  requests 1000  lost 3  connections alive 5/9"; plain != want {
		t.Errorf("got %q, want %q", plain, want)
	}
	bar := formatProgress(true, time.Second, 4, 1, 10, 0, 0, 0, 0)
	if strings.Count(bar, "█") != barWidth/2 || !strings.Contains(bar, "FAILED") {
		t.Errorf("got %q, want half a bar and the failure", bar)
	}
	loadOnly := formatProgress(true, time.Second, 0, 0, 0, 7, 0, 1, 1)
	if want := "  1.0s requests 7  lost 0  connections alive 1/1"; loadOnly != want {
		t.Errorf("without restarts: got %q, want %q", loadOnly, want)
	}
}
