package restart

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// An Event is something that has happened in the life of a process, see
// [Restarter.OnEvent]. Fields that do not belong to the kind are zero.
type Event struct {
	Kind       EventKind
	Time       time.Time
	Generation int // of this process

	Phase     Phase         // EventPhase: the one that has ended
	Elapsed   time.Duration // of the phase, the restart or the drain
	Successor int           // EventReplaced, EventSuccessorDied: its PID
	Err       error         // EventFailed, EventUndone, EventSuccessorDied, EventDrained: why, or what Run returns

	// EventDrained, EventEarlierDrained: what became of the connections. HandedOver
	// went to the successor, Announced were told to close and Cut were closed by the
	// hammer.
	HandedOver, Announced, Cut int

	Earlier int // EventEarlierDrained: the generation whose drain it was
}

// An EventKind says what an Event is about.
type EventKind int

// The kinds of events. A process that is replaced at the first attempt has
// EventServing, EventRestarting, an EventPhase for each [Phase], EventReplaced
// and EventDrained, in this order.
const (
	EventServing       EventKind = iota // this process serves
	EventRestarting                     // a restart begins
	EventPhase                          // a phase of the restart has ended well
	EventFailed                         // a restart has failed, or was refused or vetoed: this process serves on
	EventReplaced                       // the successor serves, and this process drains, at once or after Options.Probation
	EventUndone                         // a restart was undone in its probation: this process serves again
	EventStopping                       // this process is to stop and has no successor: Options.LameDuck or the drain begins
	EventDrained                        // the drain has ended
	EventSuccessorDied                  // the successor has died while this process drains: nobody serves, until somebody starts the program

	// EventEarlierDrained says that the drain of an earlier generation has ended.
	// There is none if that was killed, or was built with an older version of this
	// library.
	EventEarlierDrained
)

var eventNames = [...]string{"serving", "restarting", "phase", "failed", "replaced", "undone", "stopping", "drained", "successor died", "earlier drained"}

func (k EventKind) String() string {
	if k >= 0 && int(k) < len(eventNames) {
		return eventNames[k]
	}
	return fmt.Sprintf("EventKind(%d)", int(k))
}

// MarshalText returns the kind's name, for JSON and logs.
func (k EventKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText accepts what MarshalText returns.
func (k *EventKind) UnmarshalText(text []byte) error {
	i := slices.Index(eventNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("restart: unknown kind of event %q", text)
	}
	*k = EventKind(i)
	return nil
}

// OnEvent makes f learn of every event from now on: for metrics, a history, a
// message to the team. The calls come one at a time, in the order of the events,
// on a goroutine of their own; a slow f delays the next call and nothing else.
// Run returns when f has had the last event, EventDrained, or two seconds later.
// Several functions may be added; each gets every event.
func (r *Restarter) OnEvent(f func(Event)) { r.events.observe(f) }

// events delivers events to observers. It is safe for concurrent use, and nobody
// who emits an event waits for an observer.
type events struct {
	generation int

	mu        sync.Mutex
	observers []func(Event)
	queue     []Event
	delivered chan struct{} // not nil while a goroutine delivers; closed when it ends
}

func (es *events) observe(f func(Event)) {
	es.mu.Lock()
	defer es.mu.Unlock()
	es.observers = append(es.observers, f)
}

// emit sets the time and the generation of e and queues it for the observers.
func (es *events) emit(e Event) {
	es.mu.Lock()
	defer es.mu.Unlock()
	if len(es.observers) == 0 {
		return
	}
	e.Time, e.Generation = time.Now(), es.generation
	es.queue = append(es.queue, e)
	if es.delivered == nil {
		es.delivered = make(chan struct{})
		go es.deliver()
	}
}

// deliver runs until the queue is empty.
func (es *events) deliver() {
	for {
		es.mu.Lock()
		if len(es.queue) == 0 {
			close(es.delivered)
			es.delivered = nil
			es.mu.Unlock()
			return
		}
		e := es.queue[0]
		es.queue = es.queue[1:]
		observers := slices.Clone(es.observers)
		es.mu.Unlock()
		for _, f := range observers {
			f(e)
		}
	}
}

// flush waits until everything is delivered, no longer than within, and reports
// whether it is.
func (es *events) flush(within time.Duration) bool {
	es.mu.Lock()
	delivered := es.delivered
	es.mu.Unlock()
	if delivered == nil {
		return true
	}
	bound := time.NewTimer(within)
	defer bound.Stop()
	select {
	case <-delivered:
		return true
	case <-bound.C:
		return false
	}
}

// phases returns a function to be called when a phase has ended: it emits an event
// with the time that the phase took. The first phase began at the given time.
func (es *events) phases(began time.Time) func(Phase) {
	return func(p Phase) {
		now := time.Now()
		es.emit(Event{Kind: EventPhase, Phase: p, Elapsed: now.Sub(began)})
		began = now
	}
}
