module example.com/restart/examples

go 1.26.0

require (
	example.com/restart v0.0.0-00010101000000-000000000000
	example.com/restart/storm v0.0.0-00010101000000-000000000000
	github.com/google/go-cmp v0.7.0
	golang.org/x/sys v0.49.0
)

require (
	github.com/coder/websocket v1.8.15 // indirect
	github.com/google/renameio/v2 v2.0.2 // indirect
	github.com/hashicorp/errwrap v1.0.0 // indirect
	github.com/hashicorp/go-multierror v1.1.1 // indirect
	golang.org/x/sync v0.24.0 // indirect
)

replace (
	example.com/restart => ../
	example.com/restart/storm => ../storm
)
