// Command waves simulates the deployment of a new version to a fleet of servers whose connections last: once by stopping and
// starting instances in waves, once by restarts in place.
package main

import (
	"flag"
	"fmt"
	"log"
	"time"

	"example.com/restart/examples/internal/figures"
)

func main() {
	instances := flag.Int("instances", 100, "`number` of instances")
	conns := flag.Int("connections", 1000, "`number` of connections of each instance")
	t := times{}
	flag.DurationVar(&t.start, "start", 20*time.Second, "from the start of a process until it serves")
	flag.DurationVar(&t.notice, "notice", 15*time.Second, "until balancers have noticed that an instance is to stop (LameDuck)")
	flag.DurationVar(&t.drain, "drain", time.Minute, "for connections that last (HammerTime)")
	flag.DurationVar(&t.watch, "watch", time.Minute, "to see whether the new version is good, after each wave")
	page := flag.String("doc", "", "Markdown `file` to write the table into")
	flag.Parse()
	if *instances < 2 || *conns < 1 {
		log.Fatal("waves: need at least 2 instances and 1 connection")
	}
	text := figures.Table(simulate(*instances, *conns, t))
	fmt.Print(text)
	if *page != "" {
		if err := figures.Insert(*page, "waves", text); err != nil {
			log.Fatal("waves: ", err)
		}
	}
}

// plans returns what is compared. No wave is all of the fleet: somebody must be left to connect to.
func plans(instances int) []plan {
	quarter := max(1, instances/4)
	return []plan{even(instances, 1), even(instances, max(1, instances/10)), even(instances, quarter), growing(instances, 3, quarter)}
}

func simulate(instances, conns int, t times) [][]string {
	rows := [][]string{{
		"waves", "how", "balancer", "takes", "capacity, least",
		"times that a client reconnects", "reconnects in one wave, most", "fullest instance",
	}}
	total := instances * conns
	for _, p := range plans(instances) {
		for _, b := range []balancer{random, least} {
			c := newFleet(instances, conns).roll(p.waves, b)
			rows = append(rows, []string{
				p.name, "roll", string(b), p.rolled(t).Round(time.Second).String(),
				fmt.Sprintf("%d %%", 100*(instances-p.largest())/instances),
				figures.Short(float64(c.closed) / float64(total)), figures.Count(c.inWave),
				figures.Short(float64(c.heaviest)/float64(conns)) + " times its share",
			})
		}
		rows = append(rows, []string{
			p.name, "restart in place", "any", p.inPlace(t).Round(time.Second).String(), "100 %", "0", "0", "its share",
		})
	}
	return rows
}
