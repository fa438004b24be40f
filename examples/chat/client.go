package main

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/coder/websocket"
)

// join says each line of in, and prints what everybody says. It never connects
// anew.
func join(url string, in io.Reader) error {
	ctx := context.Background()
	ws, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return err
	}
	defer ws.CloseNow()
	go func() {
		for lines := bufio.NewScanner(in); lines.Scan(); {
			if ws.Write(ctx, websocket.MessageText, lines.Bytes()) != nil {
				return // reading tells why
			}
		}
		ws.Close(websocket.StatusNormalClosure, "")
	}()
	for {
		_, b, err := ws.Read(ctx)
		if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
			return nil
		}
		if err != nil {
			return err
		}
		fmt.Println(string(b))
	}
}
