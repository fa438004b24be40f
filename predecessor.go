package restart

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/wire"
)

// channelVar names, in the environment, the descriptor of the channel to the
// predecessor.
const channelVar = "RESTART_CHANNEL"

const (
	// manifestTimeout bounds how long the manifest may take to arrive. The
	// predecessor sends it without waiting for anything.
	manifestTimeout = 10 * time.Second

	maxState = 64 << 20 // bytes of state of one service
)

// A predecessor is the process that this one is to replace, as seen from here.
type predecessor struct {
	conn       *channel.Conn
	pid        int
	generation int

	offers    []*offer
	states    map[string][]byte
	pieces    map[string][]byte // of states that are not whole yet
	lifelines []lifeline
	stderr    *relay
}

// inheritedChannel opens the channel that the environment names, and removes
// the name: no process that this one starts may take itself for a successor.
// It returns nil on a cold start.
func inheritedChannel() (*channel.Conn, error) {
	v, ok := os.LookupEnv(channelVar)
	if !ok {
		return nil, nil
	}
	if err := os.Unsetenv(channelVar); err != nil {
		return nil, err
	}
	fd, err := strconv.Atoi(v)
	if err != nil || fd < 3 || fd > 1<<20 {
		return nil, errStray(v, errors.New("that is not the number of a descriptor"))
	}
	c, err := channel.Inherited(fd)
	if err != nil {
		return nil, errStray(v, err)
	}
	return c, nil
}

func errStray(v string, err error) error {
	return fmt.Errorf("restart: the environment says %s=%.20q, but %w: the variable is set by a restart only; start the program without it", channelVar, v, err)
}

// meet checks who is at the other end of c and receives the manifest. It takes
// c in every case.
func meet(c *channel.Conn) (*predecessor, error) {
	p := &predecessor{conn: c, states: make(map[string][]byte), pieces: make(map[string][]byte)}
	err := p.receive()
	if err != nil {
		for _, o := range p.offers {
			o.file.Close()
		}
		p.close()
		return nil, fmt.Errorf("restart: what the predecessor left: %w", err)
	}
	return p, nil
}

func (p *predecessor) receive() error {
	if err := p.conn.SetDeadline(time.Now().Add(manifestTimeout)); err != nil {
		return err
	}
	// Whoever reads on, long after this maybe, must see the end of the channel
	// as that.
	defer p.conn.SetDeadline(time.Time{})
	if err := p.hello(); errors.Is(err, io.EOF) {
		return nil // it died before it could leave anything: a cold start
	} else if err != nil {
		return err
	}
	for {
		f, files, err := p.conn.Recv()
		if errors.Is(err, io.EOF) {
			// It died in the middle. Nobody else serves, so this process goes
			// on with what it got.
			return nil
		}
		if err != nil {
			return err
		}
		switch f.Type {
		case wire.TypeFiles:
			err = p.takeFiles(f, files)
		case wire.TypeState:
			channel.CloseAll(files)
			err = p.takeState(f)
		case wire.TypeStart:
			channel.CloseAll(files)
			return nil
		case wire.TypeAbort:
			channel.CloseAll(files)
			var abort wire.Abort
			_ = f.Decode(&abort) // the words are all that could be missing
			return fmt.Errorf("it gave up: %s", abort.Reason)
		default:
			channel.CloseAll(files)
			err = fmt.Errorf("unexpected message %v", f.Type)
		}
		if err != nil {
			return err
		}
	}
}

// hello believes nothing: the peer must be the process that it says it is,
// and that process must have the right to hand us sockets.
func (p *predecessor) hello() error {
	f, files, err := p.conn.Recv()
	if err != nil {
		return fmt.Errorf("no greeting: %w", err)
	}
	channel.CloseAll(files)
	if f.Type != wire.TypeHello {
		return fmt.Errorf("got %v, want a greeting", f.Type)
	}
	var hello wire.Hello
	if err := f.Decode(&hello); err != nil {
		return err
	}
	pid, uid, err := p.conn.Peer()
	if err != nil {
		return err
	}
	if uid != 0 && uid != os.Geteuid() {
		return fmt.Errorf("it belongs to user %d, this process to %d", uid, os.Geteuid())
	}
	if pid != hello.PID {
		return fmt.Errorf("it says that it is process %d, but the channel belongs to %d", hello.PID, pid)
	}
	p.pid, p.generation = hello.PID, hello.Generation
	return nil
}

func (p *predecessor) takeFiles(f wire.Frame, files []*os.File) error {
	var m wire.Files
	if err := f.Decode(&m); err != nil {
		channel.CloseAll(files)
		return err
	}
	if len(m.Files) != len(files) {
		channel.CloseAll(files)
		return fmt.Errorf("%d descriptors announced, %d received (too many open files?)", len(m.Files), len(files))
	}
	for i, desc := range m.Files {
		switch desc.Kind {
		case wire.KindListener, wire.KindPacket:
			p.offers = append(p.offers, &offer{file: files[i], desc: desc})
		case wire.KindLifeline:
			p.lifelines = append(p.lifelines, lifeline{pid: desc.PID, generation: desc.Generation, file: files[i]})
		case wire.KindStderr, wire.KindRelay:
			p.stderr = p.stderr.with(desc.Kind, files[i])
		default:
			files[i].Close() // a newer predecessor may send more than we know
		}
	}
	return nil
}

func (p *predecessor) takeState(f wire.Frame) error {
	var m wire.State
	if err := f.Decode(&m); err != nil {
		return err
	}
	if len(p.pieces[m.Name])+len(m.Data) > maxState {
		return fmt.Errorf("the state of %q is larger than %d bytes", m.Name, maxState)
	}
	p.pieces[m.Name] = append(p.pieces[m.Name], m.Data...)
	if m.Last {
		p.states[m.Name] = p.pieces[m.Name]
		delete(p.pieces, m.Name)
	}
	return nil
}

// note leaves words for the predecessor to quote should this process die
// before it is ready.
func (p *predecessor) note(err error) {
	_ = p.conn.Send(wire.TypeNote, wire.Note{Text: clip(err.Error())}) // it may be gone
}

// fail tells the predecessor that this process gives up.
func (p *predecessor) fail(err error) {
	_ = p.conn.Send(wire.TypeFailed, wire.Note{Text: clip(err.Error())}) // it may be gone
}

// clip bounds what is quoted: a frame is bounded too.
func clip(s string) string {
	if len(s) > 4096 {
		return s[:4096] + "…"
	}
	return s
}

// close gives up what was inherited, but for the sockets: those belong to the
// table.
func (p *predecessor) close() {
	p.conn.Close()
	for _, l := range p.lifelines {
		l.file.Close()
	}
	p.stderr.close()
}

// A lifeline tells whether a generation still lives: the kernel closes the
// write end of the pipe when its owner dies, however it dies.
type lifeline struct {
	pid, generation int
	file            *os.File
}

func (l lifeline) gone() bool { return fdutil.AtEOF(l.file) }

// wait waits until the generation is gone and reports true, or false if cut was
// called.
func (l lifeline) wait() bool {
	for {
		if _, err := l.file.Read(make([]byte, 1)); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// cut ends wait.
func (l lifeline) cut() { l.file.SetReadDeadline(time.Unix(1, 0)) }
