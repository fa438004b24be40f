package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"

	"example.com/restart/internal/fdutil"
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

var errNoPeer = errors.New("this platform does not tell who asks")

// checkPeer returns an error unless the process at the other end belongs to our
// user or to root.
func checkPeer(c net.Conn) error {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return fmt.Errorf("a %T does not tell who asks", c)
	}
	uid, err := fdutil.PeerUser(sc)
	if errors.Is(err, errors.ErrUnsupported) {
		return errNoPeer
	}
	if err != nil {
		return err
	}
	return allow(uid, os.Geteuid())
}

func allow(peer, owner int) error {
	if peer == owner || peer == 0 {
		return nil
	}
	return fmt.Errorf("user %d may not control this process, which belongs to user %d: ask as that user or as root", peer, owner)
}
