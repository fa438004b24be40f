package handshake

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/spawn"
	"example.com/restart/internal/transfer"
	"example.com/restart/internal/wire"
)

const (
	// manifestTimeout bounds how long the manifest may take to arrive. The
	// predecessor sends it without waiting for anything.
	manifestTimeout = 10 * time.Second

	statePiece  = 32 << 10 // bytes of state in one message, before base64
	filesAtOnce = 40       // descriptions in one message, each below 1.5 KiB
)

// A Manifest is what a process leaves to its successor.
type Manifest struct {
	PID, Generation int // of the process that leaves it
	Sockets         []Socket
	Lifelines       []Lifeline        // of the generations that live, its own last
	States          map[string][]byte // by listener
	Stderr          spawn.Relay       // only on the successor's side

	stateSize int // bytes of states received, names included
}

// A Socket is an open socket and its description.
type Socket struct {
	Desc wire.File
	File *os.File
}

// greet sends what a successor must have whatever happens to its predecessor:
// who that was, and a reader for its standard error.
func greet(conn *channel.Conn, pid, generation int, stderr, pipe *os.File) error {
	if err := conn.Send(wire.TypeHello, wire.Hello{PID: pid, Generation: generation}); err != nil {
		return err
	}
	if stderr == nil || pipe == nil {
		return nil
	}
	descs := []wire.File{{Kind: wire.KindStderr}, {Kind: wire.KindRelay}}
	return conn.Send(wire.TypeFiles, wire.Files{Files: descs}, stderr, pipe)
}

// send sends the rest of the manifest. It borrows the files, and waits for
// nothing but room in the channel.
func (m *Manifest) send(conn *channel.Conn) error {
	var descs []wire.File
	var files []*os.File
	for _, s := range m.Sockets {
		descs, files = append(descs, s.Desc), append(files, s.File)
	}
	for _, l := range m.Lifelines {
		descs = append(descs, wire.File{Kind: wire.KindLifeline, PID: l.PID, Generation: l.Generation, Version: l.Version, Since: l.Since})
		files = append(files, l.File)
	}
	for i := 0; i < len(files); i += filesAtOnce {
		end := min(i+filesAtOnce, len(files))
		if err := conn.Send(wire.TypeFiles, wire.Files{Files: descs[i:end]}, files[i:end]...); err != nil {
			return err
		}
	}
	for name, state := range m.States {
		for len(state) > statePiece {
			if err := conn.Send(wire.TypeState, wire.State{Name: name, Data: state[:statePiece]}); err != nil {
				return err
			}
			state = state[statePiece:]
		}
		if err := conn.Send(wire.TypeState, wire.State{Name: name, Data: state, Last: true}); err != nil {
			return err
		}
	}
	return conn.Send(wire.TypeStart, wire.Start{})
}

// receive receives a manifest. If the predecessor dies in the middle there is
// no error: nobody else serves, so the successor goes on with what it has got.
// After an error the caller closes what m holds.
func (m *Manifest) receive(conn *channel.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(manifestTimeout)); err != nil {
		return err
	}
	// Whoever reads from the channel later must see its end as that.
	defer conn.SetDeadline(time.Time{})
	if err := m.receiveHello(conn); errors.Is(err, io.EOF) {
		awaitEndOfPeer(conn)
		return nil // a cold start
	} else if err != nil {
		return err
	}
	m.States = make(map[string][]byte)
	pieces := make(map[string][]byte) // of states that are not complete
	for {
		f, files, err := conn.Recv()
		if errors.Is(err, io.EOF) {
			awaitEndOfPeer(conn)
			return nil
		}
		if err != nil {
			return err
		}
		switch f.Type {
		case wire.TypeFiles:
			err = m.addFiles(f, files)
		case wire.TypeState:
			channel.CloseAll(files)
			err = m.addState(f, pieces)
		case wire.TypeStart:
			channel.CloseAll(files)
			return nil
		case wire.TypeAbort:
			channel.CloseAll(files)
			return aborted(f)
		default:
			channel.CloseAll(files)
			err = fmt.Errorf("unexpected message %v", f.Type)
		}
		if err != nil {
			return err
		}
	}
}

// endTime bounds how long a process may take to end that has closed its channel.
const endTime = 5 * time.Second

// awaitEndOfPeer waits until the predecessor, which has closed the channel, has
// ended. The kernel closes the files of a process that was killed one after the
// other. A listener that this process has not got may be among the last, and its
// address cannot be bound before.
func awaitEndOfPeer(conn *channel.Conn) {
	pid, _, err := conn.Peer()
	if err != nil || pid == 0 || pid == os.Getpid() { // not every kernel tells; package restarttest has one process
		return
	}
	awaitEnd(pid)
}

func awaitEnd(pid int) {
	h, err := spawn.Open(pid)
	if err != nil {
		return // it has ended, or the platform cannot tell
	}
	defer h.Close()
	h.Wait(endTime)
}

// receiveHello believes nothing: the peer must be the process that it says it
// is, and that process must have the right to hand us sockets.
func (m *Manifest) receiveHello(conn *channel.Conn) error {
	f, files, err := conn.Recv()
	if err != nil {
		return fmt.Errorf("receive hello: %w", err)
	}
	channel.CloseAll(files)
	if f.Type != wire.TypeHello {
		return fmt.Errorf("got message %v, want hello", f.Type)
	}
	var hello wire.Hello
	if err := f.Decode(&hello); err != nil {
		return err
	}
	pid, uid, err := conn.Peer()
	if err != nil {
		return err
	}
	if uid != 0 && uid != os.Geteuid() {
		return fmt.Errorf("the predecessor runs as user %d, this process as %d", uid, os.Geteuid())
	}
	if pid != 0 && pid != hello.PID { // not every kernel tells
		return fmt.Errorf("the predecessor says that it is process %d, but the channel belongs to %d", hello.PID, pid)
	}
	m.PID, m.Generation = hello.PID, hello.Generation
	return nil
}

func (m *Manifest) addFiles(f wire.Frame, files []*os.File) error {
	var msg wire.Files
	if err := f.Decode(&msg); err != nil {
		channel.CloseAll(files)
		return err
	}
	if len(msg.Files) != len(files) {
		channel.CloseAll(files)
		return fmt.Errorf("%d descriptors announced, %d received (too many open files?)", len(msg.Files), len(files))
	}
	for i, desc := range msg.Files {
		switch desc.Kind {
		case wire.KindListener, wire.KindPacket:
			m.Sockets = append(m.Sockets, Socket{desc, files[i]})
		case wire.KindLifeline:
			if err := fdutil.CheckPipe(files[i]); err != nil {
				channel.CloseAll(files[i:])
				return fmt.Errorf("the lifeline of process %d: %w", desc.PID, err)
			}
			m.Lifelines = append(m.Lifelines, Lifeline{desc.PID, desc.Generation, desc.Version, desc.Since, files[i]})
		case wire.KindStderr:
			replace(&m.Stderr.Real, files[i])
		case wire.KindRelay:
			replace(&m.Stderr.Pipe, files[i])
		default:
			files[i].Close() // a newer predecessor may send more than we know
		}
	}
	return nil
}

func replace(old **os.File, f *os.File) {
	if *old != nil {
		(*old).Close()
	}
	*old = f
}

func (m *Manifest) addState(f wire.Frame, pieces map[string][]byte) error {
	var msg wire.State
	if err := f.Decode(&msg); err != nil {
		return err
	}
	if len(pieces[msg.Name])+len(msg.Data) > transfer.MaxState {
		return fmt.Errorf("the state of %q is larger than %d bytes", msg.Name, transfer.MaxState)
	}
	if m.stateSize += len(msg.Name) + len(msg.Data); m.stateSize > transfer.MaxStates {
		return fmt.Errorf("the states of all services are larger than %d bytes", transfer.MaxStates)
	}
	pieces[msg.Name] = append(pieces[msg.Name], msg.Data...)
	if msg.Last {
		m.States[msg.Name] = pieces[msg.Name]
		delete(pieces, msg.Name)
	}
	return nil
}

// closeFiles closes all that m holds.
func (m *Manifest) closeFiles() {
	for _, s := range m.Sockets {
		s.File.Close()
	}
	for _, l := range m.Lifelines {
		l.File.Close()
	}
	m.Stderr.Close()
}
