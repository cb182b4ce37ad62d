package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// bench writes `NAME RENDERS_PER_SECOND` for the same template and context that benches/render.rs takes.
func bench(dir string, out io.Writer) error {
	text, err := os.ReadFile(filepath.Join(dir, "bench", "pod.tpl"))
	if err != nil {
		return err
	}
	context, err := os.ReadFile(filepath.Join(dir, "bench", "context.json"))
	if err != nil {
		return err
	}
	ask := request{Template: string(text)}
	if err := json.Unmarshal(context, &ask.Context); err != nil {
		return err
	}
	setNow(ask.Context)
	parsed, err := parse(ask.Template)
	if err != nil {
		return err
	}
	if got := execute(parsed, ask); got.Output == nil {
		return fmt.Errorf("the template does not render: %s", got.Error)
	}
	fmt.Fprintf(out, "parsed-once %.0f\n", perSecond(func() { execute(parsed, ask) }))
	fmt.Fprintf(out, "parsed-each-time %.0f\n", perSecond(func() { render(ask) }))
	return nil
}

// perSecond takes the best of five seconds, so that a busy machine hurts less.
func perSecond(work func()) float64 {
	best := 0.0
	for range 5 {
		since, count := time.Now(), 0
		for time.Since(since) < time.Second {
			for range 100 {
				work()
			}
			count += 100
		}
		best = max(best, float64(count)/time.Since(since).Seconds())
	}
	return best
}
