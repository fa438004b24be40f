package restart

import (
	"context"
	"time"

	"example.com/restart/internal/wire"
)

// reportEvery is how often the successor learns of the drain's progress.
const reportEvery = time.Second

// report tells the successor how far the drain is until it ends, and then what has
// become of the connections.
func (d *drain) report(generation int) {
	defer close(d.reported)
	ticks := time.NewTicker(reportEvery)
	defer ticks.Stop()
	last := wire.Progress{Connections: -1}
	for {
		if now := d.progress(generation); now != last {
			if err := d.sender.Progress(now); err != nil {
				return // it is gone
			}
			last = now
		}
		select {
		case <-ticks.C:
		case <-d.ended:
			last = d.progress(generation)
			last.Over = true
			_ = d.sender.Progress(last) // it may be gone
			return
		}
	}
}

// awaitReport waits until the successor has been told of the end, no longer than
// closeGrace: it may not listen.
func (d *drain) awaitReport() {
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	arrives(ctx, d.reported)
}

func (d *drain) progress(generation int) wire.Progress {
	p := wire.Progress{
		Generation: generation, Connections: d.connections(),
		HandedOver: d.sender.Counts().Moved, Cut: int(d.wasCut.Load()),
	}
	for _, part := range d.parts {
		p.Announced += part.announced()
	}
	return p
}

func (d *drain) connections() int {
	n := 0
	for _, p := range d.parts {
		if p.ln != nil {
			n += p.ln.Conns().Len()
		}
	}
	return n
}
