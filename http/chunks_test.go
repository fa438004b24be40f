package restarthttp

import "testing"

// Wherever a body is cut, its end and its last chunk are seen.
func TestChunksFollow(t *testing.T) {
	body := "5\r\nhello\r\n1a;x=y\r\n" + "abcdefghijklmnopqrstuvwxyz" + "\r\n10\r\n0123456789abcdef\r\n"
	for cut := range len(body) {
		for _, tail := range []string{"0\r\n\r\n", "0\r\nA: b\r\n\r\n"} {
			var c chunks
			all := body + tail
			c.follow([]byte(all[:cut]), passLast)
			if n := c.follow([]byte(all[cut:]), passLast); n != len(all)-cut || c.stage != chunkOver {
				t.Errorf("cut at %d: %d of %d, stage %d", cut, n, len(all)-cut, c.stage)
			}
			c = chunks{}
			c.follow([]byte(all[:cut]), stopBefore)
			if n := c.follow([]byte(all[cut:]), stopBefore); n != len(body)-cut || !c.between() {
				t.Errorf("cut at %d: the last chunk seen at %d, want %d", cut, cut+n, len(body))
			}
		}
	}
}
