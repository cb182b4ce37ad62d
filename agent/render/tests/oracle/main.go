// The oracle: renders templates with Go's own text/template and Sprig, so that the Rust engine can be held against it.
//
//	oracle render         JSON lines {"template","context"} on stdin → JSON lines {"output"} or {"error"} on stdout
//	oracle corpus DIR     renders every case of DIR/*.yaml into DIR/expected/*.jsonl
//	oracle functions      the function map, `NAME SIGNATURE` one a line
//	oracle bench DIR      renders a second of DIR's pod template, parsed once and parsed each time, for the Rust bench
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"time"
	_ "time/tzdata" // the same zones on every machine
)

func main() {
	// Go's "Local" is the machine's zone; here it is UTC, as in the agent's container.
	time.Local = time.UTC
	// Go's own limit takes seconds to reach.
	debug.SetMaxStack(64 << 20)
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "render":
		return serve(os.Stdin, os.Stdout)
	case len(args) == 2 && args[0] == "corpus":
		return writeExpected(args[1])
	case len(args) == 1 && args[0] == "functions":
		return printSignatures(os.Stdout)
	case len(args) == 2 && args[0] == "bench":
		return bench(args[1], os.Stdout)
	}
	return fmt.Errorf("usage: oracle render | corpus DIR | functions | bench DIR")
}
