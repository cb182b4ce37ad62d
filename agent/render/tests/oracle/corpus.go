package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"sigs.k8s.io/yaml"
)

// A file of cases. A case is a text, or an object with a template and a context of its own.
type family struct {
	Context string                       `json:"context"`
	Cases   map[string][]json.RawMessage `json:"cases"`
}

type oneCase struct {
	Template string `json:"template"`
	// A name of contexts.json, or JSON if it starts with a brace.
	Context string `json:"context"`
	// Why the engine refuses what Go renders.
	Refused string `json:"refused"`
}

type expected struct {
	Case   string  `json:"case"`
	Output *string `json:"output,omitempty"`
	Error  bool    `json:"error,omitempty"`
}

func writeExpected(dir string) error {
	contexts, err := readContexts(dir)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return err
	}
	total, failing := 0, 0
	for _, file := range files {
		cases, err := expectFile(file, contexts)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		var text bytes.Buffer
		encode := json.NewEncoder(&text)
		encode.SetEscapeHTML(false)
		for _, one := range cases {
			total++
			if one.Error {
				failing++
			}
			if err := encode.Encode(one); err != nil {
				return err
			}
		}
		name := strings.TrimSuffix(filepath.Base(file), ".yaml") + ".jsonl"
		if err := os.WriteFile(filepath.Join(dir, "expected", name), text.Bytes(), 0o644); err != nil {
			return err
		}
	}
	fmt.Printf("%d cases, %d of them errors\n", total, failing)
	return nil
}

func readContexts(dir string) (map[string]json.RawMessage, error) {
	text, err := os.ReadFile(filepath.Join(dir, "contexts.json"))
	if err != nil {
		return nil, err
	}
	contexts := map[string]json.RawMessage{}
	return contexts, json.Unmarshal(text, &contexts)
}

func expectFile(file string, contexts map[string]json.RawMessage) ([]expected, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var read family
	if err := yaml.UnmarshalStrict(text, &read); err != nil {
		return nil, err
	}
	var groups []string
	for group := range read.Cases {
		groups = append(groups, group)
	}
	sort.Strings(groups)
	var all []expected
	for _, group := range groups {
		for i, raw := range read.Cases[group] {
			name := fmt.Sprintf("%s/%d", group, i+1)
			one, err := expect(name, raw, read.Context, contexts)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			all = append(all, one)
		}
	}
	return all, nil
}

func expect(name string, raw json.RawMessage, context string, contexts map[string]json.RawMessage) (expected, error) {
	one := oneCase{Context: context}
	if json.Unmarshal(raw, &one.Template) != nil {
		if err := json.Unmarshal(raw, &one); err != nil {
			return expected{}, err
		}
	}
	fields := json.RawMessage(one.Context)
	if !strings.HasPrefix(one.Context, "{") {
		if fields = contexts[one.Context]; fields == nil {
			return expected{}, fmt.Errorf("contexts.json has no %q", one.Context)
		}
	}
	ask := request{Template: one.Template}
	if err := json.Unmarshal(fields, &ask.Context); err != nil {
		return expected{}, err
	}
	got, _ := guarded(ask)
	return expected{Case: name, Output: got.Output, Error: got.Output == nil}, nil
}
