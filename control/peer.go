package control

import (
	"context"
	"net"
	"net/http"
)

type peerKey struct{}

// withPeer notes in the context of a connection why its peer may not ask, nil if
// it may.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, checkPeer(c))
}

// onlyOwner refuses peers of other users. It answers them, rather than close the
// connection, so that they learn why.
func onlyOwner(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err, _ := r.Context().Value(peerKey{}).(error); err != nil {
			w.Header().Set("Connection", "close")
			answer(w, http.StatusForbidden, &Error{Code: CodeForbidden, Text: err.Error()})
			return
		}
		next.ServeHTTP(w, r)
	})
}
