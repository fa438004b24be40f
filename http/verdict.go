package restarthttp

// A verdict is what an event demands. Its zero value demands nothing.
type verdict struct {
	deadline deadline
	turn     turn
	action   action
}

// A deadline names a read deadline.
type deadline uint8

const (
	deadlineKeep   deadline = iota // the one that is in force
	deadlineAsked                  // the one that net/http has asked for
	deadlinePast                   // one in the past, which ends the wait
	deadlineLinger                 // the end of the linger time, or what net/http asked for if that is sooner
)

// A turn says whether a connection still needs the turn that the drain gave it.
type turn uint8

const (
	turnKept turn = iota
	turnOver      // others need not wait for it any more
)

// An action says how a call of net/http goes on.
type action uint8

const (
	actReturn   action = iota // a read: return what it brought
	actReadOn                 // a read: ended for a move that cannot be
	actProbe                  // a read: ended for a move, which takes a probe
	actClose                  // a close: close the socket
	actMove                   // a close: move the connection
	actNotTwice               // a close: there was one before
)

// An announcement says whether a response must tell the client that the
// connection closes after it.
type announcement uint8

const (
	announceNot   announcement = iota
	announceFirst              // yes, and this is the connection's first such response
	announceAgain
)
