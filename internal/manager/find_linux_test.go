//go:build !restart_portable

package manager

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

func TestFind(t *testing.T) {
	self, other := strconv.Itoa(os.Getpid()), strconv.Itoa(os.Getppid())
	for name, tt := range map[string]struct {
		env  map[string]string
		want Manager
	}{
		"nobody":               {nil, Nobody{}},
		"systemd":              {map[string]string{"NOTIFY_SOCKET": "/run/n", "SYSTEMD_EXEC_PID": self}, &Notified{socket: "/run/n"}},
		"below a script":       {map[string]string{"NOTIFY_SOCKET": "/run/systemd/notify", "SYSTEMD_EXEC_PID": other}, &Notified{socket: "/run/systemd/notify", wrapper: os.Getppid()}},
		"below exec":           {map[string]string{"NOTIFY_SOCKET": "/run/systemd/notify", "SYSTEMD_EXEC_PID": self}, &Notified{socket: "/run/systemd/notify"}},
		"below another":        {map[string]string{"NOTIFY_SOCKET": "@12345", "SYSTEMD_EXEC_PID": other}, &Notified{socket: "@12345"}},
		"watchdog":             {map[string]string{"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": self}, &Notified{socket: "@n", every: time.Second}},
		"watchdog, successor":  {map[string]string{"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "2000000"}, &Notified{socket: "@n", every: time.Second}},
		"watchdog of another":  {map[string]string{"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "2000000", "WATCHDOG_PID": other}, &Notified{socket: "@n"}},
		"watchdog of nonsense": {map[string]string{"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "-2"}, &Notified{socket: "@n"}},
		"Type=simple":          {map[string]string{"SYSTEMD_EXEC_PID": self, "INVOCATION_ID": "f00"}, Unnotified{}},
		"started by a service": {map[string]string{"SYSTEMD_EXEC_PID": other, "INVOCATION_ID": "f00"}, Nobody{}},
		"in a session":         {map[string]string{"INVOCATION_ID": "f00"}, Nobody{}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "SYSTEMD_EXEC_PID", "INVOCATION_ID"} {
				t.Setenv(v, "") // to be restored
				os.Unsetenv(v)
				if value, ok := tt.env[v]; ok {
					os.Setenv(v, value)
				}
			}
			got := Find()
			if got, want := fmt.Sprintf("%T %+v", got, got), fmt.Sprintf("%T %+v", tt.want, tt.want); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if s, ok := got.(*Notified); ok && s.every > 0 && os.Getenv("WATCHDOG_PID") != self {
				t.Errorf("got WATCHDOG_PID=%s, want %s", os.Getenv("WATCHDOG_PID"), self)
			}
		})
	}
}
