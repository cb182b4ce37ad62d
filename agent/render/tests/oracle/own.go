package main

import (
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"unicode"

	"github.com/Masterminds/sprig/v3"
	"k8s.io/apimachinery/pkg/api/resource"
)

// own: our functions as spec 2 words them, written from that text and not from the Rust code.
func own() template.FuncMap {
	return template.FuncMap{
		"indent":         indent,
		"nindent":        func(width int, text string) string { return "\n" + indent(width, text) },
		"truncName":      truncName,
		"k8sName":        k8sName,
		"required":       required,
		"yamlQuote":      yamlQuote,
		"yamlSafe":       yamlSafe,
		"parseQuantity":  parseQuantity,
		"formatQuantity": formatQuantity,
	}
}

// indent is Sprig's, but blank lines stay as they are.
func indent(width int, text string) string {
	pad := strings.Repeat(" ", width)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if line != "" {
			lines[i] = pad + line
		}
	}
	return strings.Join(lines, "\n")
}

func truncName(length int, text string) string {
	if length <= 0 {
		length = 63
	}
	if len(text) <= length {
		return text
	}
	return text[:length]
}

var notName = regexp.MustCompile(`[^a-z0-9-]`)
var hyphens = regexp.MustCompile(`-+`)

func k8sName(text string) string {
	text = strings.NewReplacer("_", "-", " ", "-", ".", "-").Replace(strings.ToLower(text))
	text = strings.Trim(hyphens.ReplaceAllString(notName.ReplaceAllString(text, ""), "-"), "-")
	if len(text) > 63 {
		text = strings.TrimRight(text[:63], "-")
	}
	if text == "" {
		return "resource"
	}
	return text
}

func required(message string, value any) (any, error) {
	if value == nil || value == "" {
		return nil, fmt.Errorf("%s", message)
	}
	return value, nil
}

const special = ":#{}[]|>!&*?-'\"\\`@,"

// yamlQuote: what YAML 1.1 would not read as a text is a word or a number; go-yaml's own resolver is asked through
// toYaml, which quotes exactly those.
func yamlQuote(text string) string {
	plain := text != "" && !strings.ContainsAny(text, special) && strings.IndexFunc(text, unicode.IsSpace) < 0
	if plain && helm()["toYaml"].(func(any) string)(text) == text {
		return text
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(text) + `"`
}

var hyphenRuns = regexp.MustCompile(`-+`)

func yamlSafe(text string) string {
	text = strings.Map(func(char rune) rune {
		if strings.ContainsRune(special, char) {
			return '-'
		}
		return char
	}, text)
	text = hyphenRuns.ReplaceAllString(text, "-")
	return strings.Trim(strings.Join(strings.FieldsFunc(text, unicode.IsSpace), " "), "- ")
}

func parseQuantity(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	quantity, err := resource.ParseQuantity(text)
	if err != nil {
		return 0, err
	}
	return quantity.Value(), nil
}

var toInt64 = sprig.TxtFuncMap()["int64"].(func(any) int64)

func formatQuantity(number any) string {
	return resource.NewQuantity(toInt64(number), resource.BinarySI).String()
}
