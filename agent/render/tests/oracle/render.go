package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/template"
	"time"
)

// defaultNow is the time of a context without `.now`; tests/it/corpus.rs has the same.
const defaultNow = "2025-03-09T14:05:06Z"

// As in the Rust engine (spec 2).
const maxOutput = 1 << 20

// How long one case may take. What takes longer has no end worth waiting for: the process ends after it has said so,
// because a goroutine cannot be stopped.
const patience = 3 * time.Second

// exitAnswered says that the process ends although its last question is answered. Any other end, as by a stack that a dict
// holding itself overflows, leaves it open.
const exitAnswered = 3

type request struct {
	Template string `json:"template"`
	Context  any    `json:"context"`
}

type answer struct {
	Output *string `json:"output,omitempty"`
	Error  string  `json:"error,omitempty"`
	// The error is one of the oracle's own limits: nothing can be said about the template.
	Limit bool `json:"limit,omitempty"`
}

var errLimit = errors.New("beyond the oracle's limits")

// Where `{{ action }}` prints no value, Go writes "<no value>" in one piece; spec 2 makes that an error. A text or a
// value that holds these very characters is told apart by `suspicious`: no case of ours holds them but on purpose.
const noValue = "<no value>"

var errNoValue = errors.New("an action prints no value")

type writer struct {
	strings.Builder
	noValueIsText bool
}

func (w *writer) Write(piece []byte) (int, error) {
	if string(piece) == noValue && !w.noValueIsText {
		return 0, errNoValue
	}
	if w.Len()+len(piece) > maxOutput {
		return 0, errLimit
	}
	return w.Builder.Write(piece)
}

var base = template.New("oracle").Funcs(functions())

func parse(text string) (*template.Template, error) {
	clone, err := base.Clone()
	if err != nil {
		return nil, err
	}
	return clone.Parse(text)
}

func render(ask request) answer {
	setNow(ask.Context)
	parsed, err := parse(ask.Template)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return execute(parsed, ask)
}

func execute(parsed *template.Template, ask request) answer {
	out := writer{noValueIsText: strings.Contains(ask.Template, noValue)}
	if err := parsed.Execute(&out, ask.Context); err != nil {
		return answer{Error: err.Error(), Limit: errors.Is(err, errLimit)}
	}
	// As encoding/json writes it: each byte that is not UTF-8 becomes U+FFFD.
	text := out.String()
	return answer{Output: &text}
}

// guarded gives up after a while; the second value says that the process should end.
func guarded(ask request) (answer, bool) {
	done := make(chan answer, 1)
	go func() {
		defer func() {
			if trouble := recover(); trouble != nil {
				done <- answer{Error: fmt.Sprint(trouble)}
			}
		}()
		done <- render(ask)
	}()
	select {
	case got := <-done:
		return got, false
	case <-time.After(patience):
		return answer{Error: "takes too long", Limit: true}, true
	}
}

func serve(in io.Reader, out io.Writer) error {
	lines := bufio.NewReaderSize(in, 1<<20)
	buffer := bufio.NewWriterSize(out, 1<<20)
	encode := json.NewEncoder(buffer)
	encode.SetEscapeHTML(false)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var ask request
			if wrong := json.Unmarshal(line, &ask); wrong != nil {
				return fmt.Errorf("a line is not a request: %w", wrong)
			}
			got, end := guarded(ask)
			if wrong := encode.Encode(got); wrong != nil {
				return wrong
			}
			// At once: whoever asks must know which question a process died of.
			if wrong := buffer.Flush(); wrong != nil {
				return wrong
			}
			if end {
				os.Exit(exitAnswered)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
