package fdutil

import "golang.org/x/sys/unix"

var keepAliveTimes = []option{
	{unix.IPPROTO_TCP, unix.TCP_KEEPALIVE},
	{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL},
	{unix.IPPROTO_TCP, unix.TCP_KEEPCNT},
}
