// SPDX-License-Identifier: Apache-2.0

// Docker's engine, containerd and Docker's client as one program: which of them it is, the name tells by which it was called. What they
// share (Go's runtime, gRPC, protobuf, the types of Docker and containerd) is then in the image and in memory once. See
// doc/engine.md.
package main

import (
	"os"
	"path/filepath"

	containerd "github.com/containerd/containerd/cmd/containerd"
	client "github.com/docker/cli/cmd/docker"
	engine "github.com/docker/docker/cmd/dockerd"
	"github.com/docker/docker/pkg/reexec"
)

func main() {
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
