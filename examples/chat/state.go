package main

import "encoding/json"

// state is what a process leaves to its successor. Another version of the program
// reads it.
type state struct {
	Forgotten int
	Messages  []string
}

// State, called when a restart begins, leaves the history. Users go on to talk
// here. If the predecessor is not done yet, the restart waits for it.
func (c *chat) State() ([]byte, error) {
	<-c.history.complete
	c.history.mu.Lock()
	defer c.history.mu.Unlock()
	c.left = c.history.forgotten + len(c.history.messages)
	return json.Marshal(state{c.history.forgotten, c.history.messages})
}

// Restore takes it, before any user comes.
func (c *chat) Restore(b []byte) error {
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	c.history.forgotten, c.history.messages = s.Forgotten, s.Messages
	return nil
}

// LastState, called when all users have moved, leaves what was said since State.
func (c *chat) LastState() ([]byte, error) {
	_, texts, _ := c.history.after(c.left)
	return json.Marshal(texts)
}

// MergeState takes it, while users talk here.
func (c *chat) MergeState(b []byte) error {
	var texts []string
	if err := json.Unmarshal(b, &texts); err != nil {
		return err
	}
	c.history.finish(texts...)
	return nil
}
