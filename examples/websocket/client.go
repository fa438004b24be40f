package main

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/coder/websocket"
)

// chat sends n lines of in and prints the answers. When the server goes away it
// comes back.
func chat(url string, n int, in io.Reader) error {
	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return err
	}
	defer func() { c.CloseNow() }()
	lines := bufio.NewScanner(in)
	for range n {
		if !lines.Scan() {
			return lines.Err()
		}
		answer, err := exchange(ctx, c, lines.Bytes())
		if websocket.CloseStatus(err) == websocket.StatusGoingAway {
			fmt.Println("told to come back:", websocket.StatusGoingAway.String())
			c.CloseNow()
			if c, _, err = websocket.Dial(ctx, url, nil); err != nil {
				return err
			}
			answer, err = exchange(ctx, c, lines.Bytes())
		}
		if err != nil {
			return err
		}
		fmt.Println(answer)
	}
	return c.Close(websocket.StatusNormalClosure, "")
}

func exchange(ctx context.Context, c *websocket.Conn, b []byte) (string, error) {
	// A write that fails is explained by what the server has said before.
	writeErr := c.Write(ctx, websocket.MessageText, b)
	_, answer, err := c.Read(ctx)
	if err == nil {
		err = writeErr
	}
	return string(answer), err
}
