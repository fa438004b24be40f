//go:build linux && amd64

package injecttest

import (
	"golang.org/x/sys/unix"
)

// A call is one that a hand-over makes, and how it can fail as its page in
// section 2 of the manual says.
type call struct {
	name   string
	number int
	errnos []unix.Errno
}

var calls = []call{
	{"accept4", unix.SYS_ACCEPT4, []unix.Errno{unix.ECONNABORTED, unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.EPERM, unix.EPROTO}},
	{"bind", unix.SYS_BIND, []unix.Errno{unix.EACCES, unix.EADDRINUSE, unix.EADDRNOTAVAIL, unix.ENOMEM}},
	{"chdir", unix.SYS_CHDIR, []unix.Errno{unix.EACCES, unix.EIO, unix.ENOENT, unix.ENOMEM}},
	{"clone", unix.SYS_CLONE, []unix.Errno{unix.EAGAIN, unix.ENOMEM, unix.EPERM}},
	{"close", unix.SYS_CLOSE, []unix.Errno{unix.EIO, unix.EINTR, unix.ENOSPC}},
	{"connect", unix.SYS_CONNECT, []unix.Errno{unix.EACCES, unix.EAGAIN, unix.ECONNREFUSED, unix.ENOENT}},
	{"copy_file_range", unix.SYS_COPY_FILE_RANGE, []unix.Errno{unix.EINVAL, unix.EIO, unix.ENOMEM, unix.ENOSPC, unix.EXDEV}},
	{"dup", unix.SYS_DUP, []unix.Errno{unix.EMFILE, unix.ENOMEM}},
	{"dup3", unix.SYS_DUP3, []unix.Errno{unix.EBUSY, unix.EINTR, unix.EMFILE}},
	{"epoll_create1", unix.SYS_EPOLL_CREATE1, []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOMEM}},
	{"epoll_ctl", unix.SYS_EPOLL_CTL, []unix.Errno{unix.ENOMEM, unix.ENOSPC}},
	{"eventfd2", unix.SYS_EVENTFD2, []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOMEM}},
	{"execve", unix.SYS_EXECVE, []unix.Errno{unix.E2BIG, unix.EACCES, unix.EAGAIN, unix.EIO, unix.EISDIR, unix.ELIBBAD, unix.EMFILE, unix.ENFILE, unix.ENOENT, unix.ENOEXEC, unix.ENOMEM, unix.EPERM, unix.ETXTBSY}},
	{"fchmod", unix.SYS_FCHMOD, []unix.Errno{unix.EIO, unix.EPERM, unix.EROFS}},
	{"fcntl", unix.SYS_FCNTL, []unix.Errno{unix.EMFILE, unix.EBUSY, unix.EPERM}},
	{"fstat", unix.SYS_FSTAT, []unix.Errno{unix.ENOMEM}},
	{"fsync", unix.SYS_FSYNC, []unix.Errno{unix.EIO, unix.ENOSPC, unix.EDQUOT}},
	{"ftruncate", unix.SYS_FTRUNCATE, []unix.Errno{unix.EIO, unix.EPERM}},
	{"getdents64", unix.SYS_GETDENTS64, []unix.Errno{unix.ENOENT}},
	{"getpeername", unix.SYS_GETPEERNAME, []unix.Errno{unix.ENOBUFS, unix.ENOTCONN}},
	{"getrlimit", unix.SYS_GETRLIMIT, []unix.Errno{unix.EINVAL}},
	{"getsockname", unix.SYS_GETSOCKNAME, []unix.Errno{unix.ENOBUFS}},
	{"getsockopt", unix.SYS_GETSOCKOPT, []unix.Errno{unix.ENOPROTOOPT}},
	{"ioctl", unix.SYS_IOCTL, []unix.Errno{unix.ENOTTY}},
	{"kill", unix.SYS_KILL, []unix.Errno{unix.EPERM, unix.ESRCH}},
	{"listen", unix.SYS_LISTEN, []unix.Errno{unix.EADDRINUSE}},
	{"lseek", unix.SYS_LSEEK, []unix.Errno{unix.ESPIPE}},
	{"memfd_create", unix.SYS_MEMFD_CREATE, []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOMEM}},
	{"newfstatat", unix.SYS_NEWFSTATAT, []unix.Errno{unix.EACCES, unix.ELOOP, unix.ENOENT, unix.ENOMEM, unix.ENOTDIR}},
	{"openat", unix.SYS_OPENAT, []unix.Errno{unix.EACCES, unix.EDQUOT, unix.EINTR, unix.EMFILE, unix.ENFILE, unix.ENOENT, unix.ENOMEM, unix.ENOSPC, unix.EROFS}},
	{"pidfd_open", unix.SYS_PIDFD_OPEN, []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ESRCH}},
	{"pidfd_send_signal", unix.SYS_PIDFD_SEND_SIGNAL, []unix.Errno{unix.EPERM, unix.ESRCH}},
	{"pipe2", unix.SYS_PIPE2, []unix.Errno{unix.EMFILE, unix.ENFILE}},
	{"poll", unix.SYS_POLL, []unix.Errno{unix.EINTR, unix.ENOMEM}},
	{"ppoll", unix.SYS_PPOLL, []unix.Errno{unix.EINTR, unix.ENOMEM}},
	{"pread64", unix.SYS_PREAD64, []unix.Errno{unix.EIO}},
	{"prlimit64", unix.SYS_PRLIMIT64, []unix.Errno{unix.EPERM}},
	{"pwrite64", unix.SYS_PWRITE64, []unix.Errno{unix.EIO, unix.ENOSPC}},
	{"read", unix.SYS_READ, []unix.Errno{unix.EINTR, unix.EIO}},
	{"readlinkat", unix.SYS_READLINKAT, []unix.Errno{unix.EACCES, unix.EIO, unix.ENOENT, unix.ENOMEM}},
	{"recvmsg", unix.SYS_RECVMSG, []unix.Errno{unix.ECONNRESET, unix.EINTR, unix.ENOMEM}},
	{"renameat", unix.SYS_RENAMEAT, []unix.Errno{unix.EACCES, unix.EDQUOT, unix.ENOMEM, unix.ENOSPC, unix.EROFS}},
	{"sendmsg", unix.SYS_SENDMSG, []unix.Errno{unix.ECONNRESET, unix.EINTR, unix.ENOBUFS, unix.ENOMEM, unix.EPIPE, unix.ETOOMANYREFS}},
	{"setsockopt", unix.SYS_SETSOCKOPT, []unix.Errno{unix.ENOBUFS, unix.ENOPROTOOPT}},
	{"shutdown", unix.SYS_SHUTDOWN, []unix.Errno{unix.ENOTCONN}},
	{"socket", unix.SYS_SOCKET, []unix.Errno{unix.EACCES, unix.EAFNOSUPPORT, unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM}},
	{"socketpair", unix.SYS_SOCKETPAIR, []unix.Errno{unix.EMFILE, unix.ENFILE}},
	{"splice", unix.SYS_SPLICE, []unix.Errno{unix.EAGAIN, unix.EINVAL, unix.ENOMEM}},
	{"unlinkat", unix.SYS_UNLINKAT, []unix.Errno{unix.EACCES, unix.EBUSY, unix.EIO, unix.EPERM, unix.EROFS}},
	{"wait4", unix.SYS_WAIT4, []unix.Errno{unix.EINTR}},
	{"waitid", unix.SYS_WAITID, []unix.Errno{unix.EINTR}},
	{"write", unix.SYS_WRITE, []unix.Errno{unix.EINTR, unix.EIO, unix.ENOSPC, unix.EPIPE}},
}

// spared are calls that no row fails, and why.
var spared = map[int]string{
	unix.SYS_CLONE3:          "makes threads for the C library; that the Go runtime dies of it is its own affair",
	unix.SYS_FUTEX:           runtimes,
	unix.SYS_NANOSLEEP:       runtimes,
	unix.SYS_CLOCK_NANOSLEEP: runtimes,
	unix.SYS_SCHED_YIELD:     runtimes,
	unix.SYS_RT_SIGACTION:    runtimes,
	unix.SYS_RT_SIGPROCMASK:  runtimes,
	unix.SYS_RT_SIGRETURN:    runtimes,
	unix.SYS_SIGALTSTACK:     runtimes,
	unix.SYS_TGKILL:          runtimes,
	unix.SYS_MMAP:            runtimes,
	unix.SYS_MUNMAP:          runtimes,
	unix.SYS_MADVISE:         runtimes,
	unix.SYS_MPROTECT:        runtimes,
	unix.SYS_EPOLL_PWAIT:     runtimes,
	unix.SYS_ARCH_PRCTL:      runtimes,
	unix.SYS_SET_ROBUST_LIST: runtimes,
	unix.SYS_RSEQ:            runtimes,
	unix.SYS_GETRANDOM:       runtimes,
	unix.SYS_PRCTL:           "names memory for the Go runtime, which ignores its error",
	unix.SYS_EXIT:            cannotFail,
	unix.SYS_EXIT_GROUP:      cannotFail,
	unix.SYS_GETPID:          cannotFail,
	unix.SYS_GETPPID:         cannotFail,
	unix.SYS_GETTID:          cannotFail,
	unix.SYS_GETUID:          cannotFail,
	unix.SYS_GETEUID:         cannotFail,
	unix.SYS_GETGID:          cannotFail,
	unix.SYS_GETEGID:         cannotFail,
	unix.SYS_UNAME:           cannotFail,
	unix.SYS_RESTART_SYSCALL: "goes on with a call that was interrupted",
	unix.SYS_GETCWD:          "is made before the library is",
}

const (
	runtimes   = "is the Go runtime's, which ends the process if it fails"
	cannotFail = "cannot fail"
)

// onDescriptors are those whose first argument is a descriptor.
var onDescriptors = []int{
	unix.SYS_ACCEPT4, unix.SYS_BIND, unix.SYS_CLOSE, unix.SYS_CONNECT, unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_FCHMOD, unix.SYS_FCNTL, unix.SYS_FSTAT,
	unix.SYS_FSYNC, unix.SYS_FTRUNCATE, unix.SYS_GETDENTS64, unix.SYS_GETPEERNAME, unix.SYS_GETSOCKNAME, unix.SYS_GETSOCKOPT, unix.SYS_IOCTL,
	unix.SYS_LISTEN, unix.SYS_LSEEK, unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_READ, unix.SYS_RECVMSG, unix.SYS_SENDMSG, unix.SYS_SETSOCKOPT,
	unix.SYS_SHUTDOWN, unix.SYS_WRITE,
}

// onPaths are those whose second argument is a path.
var onPaths = []int{unix.SYS_NEWFSTATAT, unix.SYS_OPENAT, unix.SYS_READLINKAT, unix.SYS_RENAMEAT, unix.SYS_UNLINKAT}
