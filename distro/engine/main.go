// SPDX-License-Identifier: Apache-2.0

// Docker's engine, containerd and Docker's client as one program: which of them it is, the name tells by which it was called. What they
// share (Go's runtime, gRPC, protobuf, the types of Docker and containerd) is then in the image and in memory once. See
// doc/engine.md.
package main

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	containerd "github.com/containerd/containerd/cmd/containerd"
	client "github.com/docker/cli/cmd/docker"
	engine "github.com/docker/docker/cmd/dockerd"
	"github.com/docker/docker/pkg/reexec"
)

type mark struct{ self *mark }

// The program begins with a garbage collector that first looks when the heap has 32 MB (patches/go/first-collection.patch): the engine
// has started before that, with a quarter less processor time. Go's usual measure is back after the first collection, so that a start
// with many containers takes no more memory than otherwise, and after a minute.
func collectAsUsualSoon() {
	usual := func() { debug.SetGCPercent(100) }

	if os.Getenv("GOGC") == "" {
		runtime.SetFinalizer(&mark{}, func(*mark) { usual() })
		time.AfterFunc(time.Minute, usual)
	}
}

func main() {
	collectAsUsualSoon()
	// The engine calls itself by names of its own for what has to be done in a process apart.
	if reexec.Init() {
		return
	}
	switch filepath.Base(os.Args[0]) {
	case "dockerd":
		engine.Main()
	case "containerd":
		containerd.Main()
	default:
		client.Main()
	}
}
