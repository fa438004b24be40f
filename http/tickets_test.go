package restarthttp

import (
	"crypto/tls"
	"testing"
)

// seal makes a ticket with c, as crypto/tls would.
func seal(t *testing.T, c *tls.Config) []byte {
	t.Helper()
	if c.WrapSession == nil {
		t.Fatal("the keys are not installed")
	}
	ss, err := tls.ParseSessionState(anySession)
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := c.WrapSession(tls.ConnectionState{}, ss)
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

// Keys that the program has set, to share them with other machines, are used.
func TestOwnTicketKeys(t *testing.T) {
	for name, set := range map[string]func(*tls.Config){
		"SetSessionTicketKeys": func(c *tls.Config) { c.SetSessionTicketKeys([][32]byte{{1}}) },
		"SessionTicketKey": func(c *tls.Config) {
			//lint:ignore SA1019 it is set by programs all the same
			c.SessionTicketKey = [32]byte{1}
		},
		"disabled": func(c *tls.Config) { c.SessionTicketsDisabled = true },
		"WrapSession": func(c *tls.Config) {
			c.WrapSession = func(tls.ConnectionState, *tls.SessionState) ([]byte, error) { return nil, nil }
		},
	} {
		c := new(tls.Config)
		set(c)
		c = new(tickets).configWithKeys(c)
		if c.UnwrapSession != nil {
			t.Errorf("%s: what the program has set is overridden", name)
		}
	}
	if new(tickets).configWithKeys(nil).UnwrapSession == nil {
		t.Error("without keys of its own, a program does not get ours")
	}
}

// A configuration for one client is as good as the server's own.
func TestTicketsWithGetConfigForClient(t *testing.T) {
	generation := func(state []byte) (*tickets, *tls.Config) {
		k, perHost := new(tickets), new(tls.Config)
		if state != nil {
			if err := k.restore(state); err != nil {
				t.Fatal(err)
			}
		}
		c := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return perHost, nil }}
		c = k.configWithKeys(c)
		got, err := c.GetConfigForClient(nil)
		if err != nil {
			t.Fatal(err)
		}
		if perHost.WrapSession != nil {
			t.Error("the program's configuration was changed")
		}
		return k, got
	}
	k, c := generation(nil)
	ticket := seal(t, c)
	state, err := k.state()
	if err != nil {
		t.Fatal(err)
	}
	_, c = generation(state)
	if ss, err := c.UnwrapSession(ticket, tls.ConnectionState{}); ss == nil || err != nil {
		t.Errorf("got %v, %v; want the session, in the successor", ss, err)
	}

	none := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, nil }}
	none = new(tickets).configWithKeys(none)
	if got, err := none.GetConfigForClient(nil); got != nil || err != nil {
		t.Errorf("got %v, %v; want nil, for the server's own", got, err)
	}
}

// Servers may share a configuration. Each has keys of its own in every
// generation, in whatever order they start.
func TestSharedTLSConfig(t *testing.T) {
	shared := new(tls.Config)
	var configs []*tls.Config
	for range 2 {
		configs = append(configs, new(tickets).configWithKeys(shared))
	}
	if shared.WrapSession != nil {
		t.Error("the program's configuration was changed")
	}
	ticket := seal(t, configs[0])
	for i, c := range configs {
		ss, err := c.UnwrapSession(ticket, tls.ConnectionState{})
		if got, want := ss != nil, i == 0; got != want || err != nil {
			t.Errorf("server %d: resumes %v, %v; want %v", i, got, err, want)
		}
	}
}
