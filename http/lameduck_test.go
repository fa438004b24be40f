package restarthttp

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// A lame duck sends away whom it can, and spoils nothing for the others.
func TestWhoIsSentAway(t *testing.T) {
	for name, tt := range map[string]struct {
		major   int
		upgrade string
		want    string
	}{
		"HTTP/1":    {1, "", "close"},
		"HTTP/2":    {2, "", ""},
		"WebSocket": {1, "websocket", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewServer("", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {}))
			newRun(s, newConnListener(nil))
			ask := func() string {
				req := httptest.NewRequest("GET", "/", nil)
				req.ProtoMajor = tt.major
				if tt.upgrade != "" {
					req.Header.Set("Upgrade", tt.upgrade)
				}
				w := httptest.NewRecorder()
				s.HTTP.Handler.ServeHTTP(w, req)
				return w.Header().Get("Connection")
			}
			if got := ask(); got != "" {
				t.Errorf("before: got Connection %q, want none", got)
			}
			s.BeginLameDuck()
			if got := ask(); got != tt.want {
				t.Errorf("got Connection %q, want %q", got, tt.want)
			}
			if got, want := s.Announced(), len(tt.want)/len("close"); got != want {
				t.Errorf("got %d announced, want %d", got, want)
			}
		})
	}
}
