//go:build linux

package restarthttp_test

import (
	"bytes"
	"flag"
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var diffTime = flag.Duration("difftime", 0, "how long TestAnswersAreThoseOfNetHTTP looks for a difference; 0: one round")

// Whatever a client sends, in whatever pieces, and however often the process is
// replaced meanwhile: it gets what a bare net/http that is never replaced answers.
// differs says what that means.
//
// A difference is printed as the shortest trial that shows it, and with the flag
// of package rapid that repeats it.
func TestAnswersAreThoseOfNetHTTP(t *testing.T) {
	var sum tally
	for began := time.Now(); ; {
		t.Run(fmt.Sprint(sum.rounds), func(t *testing.T) { compare(t, &sum) })
		sum.rounds++
		if t.Failed() || time.Since(began) >= *diffTime {
			break
		}
	}
	t.Logf("%+v", sum)
}

// A tally says what was tried.
type tally struct{ rounds, trials, restarts, moves, bytes int }

// compare does a round of trials with servers of its own.
func compare(t *testing.T, sum *tally) {
	bare, ours := startBare(t), startOurs(t)
	rapid.Check(t, func(t *rapid.T) {
		tr := drawTrial(t)
		want := []outcome{run(t, bare, tr.steps)}
		if tr.skipped != nil {
			want = append(want, run(t, bare, tr.skipped))
		}
		got := run(t, ours, tr.steps)
		if difference := differs(tr, want, got); difference != "" {
			t.Fatalf("%s\n%v\nnet/http: %s\nours:     %s", difference, tr, want[0], got)
		}
		sum.trials++
		sum.bytes += len(got.answers)
	})
	if err := ours.stop(); err != nil {
		t.Error(err)
	}
	sum.restarts += ours.restarts
	sum.moves += ours.moves
}

// An outcome is what a client and the handlers have seen of a trial.
type outcome struct {
	answers []byte // all that the client got
	handled []string
	left    bool // the client has reset the connection, and read no further
	cut     bool // the server has reset it
}

func (o outcome) String() string {
	return fmt.Sprintf("%s, handled %v, cut %v", quote(string(o.answers)), o.handled, o.cut)
}

var dates = regexp.MustCompile(`(?m)^Date: [^\r]*`)

// What net/http says of a request that it cannot read.
const badRequest = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"

// differs is the rule of equality. The client must get the same bytes, and the
// same handlers must have run, each once. Nothing is allowed to the drain: these
// connections have HTTP/1 without TLS, so they move and are told nothing (see
// docs/connections.md). The exceptions:
//
//   - The date.
//   - A client that resets its connection does not know how much of the answers
//     it has missed: what it got of one must begin what it got of the other.
//   - net/http closes connections with bytes that it does not read, which resets
//     them: what is on its way to the client is lost. So the client may have missed
//     the end of the answers here, too. Where all that it sends is read, there is
//     no reset.
//   - Empty lines before a request: net/http skips a few after a POST, and
//     answers 400 otherwise. A connection that has moved skips them all, as RFC
//     9112, 2.2, wishes, for nobody knows any more what the last request was. So
//     the answers may be those to a client that has not sent them.
//   - One to three bytes in place of a next request, and then the end: net/http
//     says nothing to them if the connection has had a request, and 400 otherwise.
//     A connection that has moved counts as one that has had none.
func differs(tr trial, want []outcome, got outcome) string {
	if twice := duplicate(got.handled); twice != "" {
		return fmt.Sprintf("request %s was handled twice", twice)
	}
	var why string
	for _, w := range slices.Backward(want) {
		if why = differsFrom(w, got, tr); why == "" {
			return ""
		}
	}
	return why
}

func differsFrom(want, got outcome, tr trial) string {
	a, b := dates.ReplaceAll(want.answers, nil), dates.ReplaceAll(got.answers, nil)
	switch {
	case got.left || tr.unread && (want.cut || got.cut):
		if !bytes.HasPrefix(a, b) && !bytes.HasPrefix(b, a) {
			return "the beginnings of the answers differ"
		}
	case got.cut:
		return "the connection is reset"
	case tr.shortTail && bytes.Equal(append(bytes.Clone(a), badRequest...), b):
	case !bytes.Equal(a, b):
		return "the answers differ"
	}
	if !got.left && !slices.Equal(want.handled, got.handled) {
		return "other requests are handled"
	}
	return ""
}

// duplicate returns a string that is there twice, "" if none is.
func duplicate(all []string) string {
	for i, s := range all {
		if slices.Contains(all[:i], s) {
			return s
		}
	}
	return ""
}
