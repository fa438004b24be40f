package restart

import (
	"runtime/debug"
	"sync"
)

// maxVersion bounds Options.Version, which is a part of messages between
// generations.
const maxVersion = 100

// stampedVersion returns the version that the go command has stamped into the
// program: that of the main module if it has one, or else the revision it was
// built from. Empty if there is neither, as in tests.
var stampedVersion = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	version := info.Main.Version
	if version == "(devel)" {
		version = ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && version == "" {
			version = s.Value
		}
	}
	return version[:min(len(version), maxVersion)]
})
