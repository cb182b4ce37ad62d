package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sort"
	"strings"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
	"sigs.k8s.io/yaml"
)

// Left out on purpose (spec 2): whatever reads environment, files or network; keys, certificates, passwords.
var leftOut = []string{
	"env", "expandenv", "getHostByName", "genPrivateKey", "genCA", "genCAWithKey", "genSelfSignedCert",
	"genSelfSignedCertWithKey", "genSignedCert", "genSignedCertWithKey", "derivePassword", "htpasswd", "bcrypt",
	"buildCustomCert", "encryptAES", "decryptAES",
}

// The time of the case at hand; cases run one after the other.
var now time.Time

func setNow(context any) {
	now, _ = time.Parse(time.RFC3339, defaultNow)
	if fields, ok := context.(map[string]any); ok {
		if text, ok := fields["now"].(string); ok {
			if at, err := time.Parse(time.RFC3339, text); err == nil {
				now = at.UTC()
			}
		}
	}
}

func functions() template.FuncMap {
	all := sprig.TxtFuncMap()
	for _, name := range leftOut {
		delete(all, name)
	}
	for _, family := range []template.FuncMap{helm(), steady(all), bounded(all), own()} {
		for name, function := range family {
			all[name] = function
		}
	}
	return all
}

// printSignatures writes `NAME SIGNATURE`, which the fuzzer makes calls from.
func printSignatures(out io.Writer) error {
	all := functions()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if _, err := fmt.Fprintf(out, "%s %T\n", name, all[name]); err != nil {
			return err
		}
	}
	return nil
}

// helm: errors become values, as Helm's users know it.
func helm() template.FuncMap {
	return template.FuncMap{
		"toYaml": func(v any) string {
			data, err := yaml.Marshal(v)
			if err != nil {
				return ""
			}
			return strings.TrimSuffix(string(data), "\n")
		},
		"fromYaml": func(text string) map[string]any {
			fields := map[string]any{}
			if err := yaml.Unmarshal([]byte(text), &fields); err != nil {
				fields["Error"] = err.Error()
			}
			return fields
		},
		"fromYamlArray": func(text string) []any {
			items := []any{}
			if err := yaml.Unmarshal([]byte(text), &items); err != nil {
				items = []any{err.Error()}
			}
			return items
		},
		"toJson": func(v any) string {
			data, err := json.Marshal(v)
			if err != nil {
				return ""
			}
			return string(data)
		},
		"fromJsonArray": func(text string) []any {
			items := []any{}
			if err := json.Unmarshal([]byte(text), &items); err != nil {
				items = []any{err.Error()}
			}
			return items
		},
	}
}

// steady: what differs from call to call in Go, from the clock or from the order of a map, made the same each time.
func steady(all template.FuncMap) template.FuncMap {
	date := all["date"].(func(string, any) string)
	dateInZone := all["dateInZone"].(func(string, any, string) string)
	htmlDate := all["htmlDate"].(func(any) string)
	htmlDateInZone := all["htmlDateInZone"].(func(any, string) string)
	durationRound := all["durationRound"].(func(any) string)
	inZone := func(layout string, at any, zone string) string { return dateInZone(layout, timeOrNow(at), zone) }
	return template.FuncMap{
		"now":            func() time.Time { return now },
		"date":           func(layout string, at any) string { return date(layout, timeOrNow(at)) },
		"dateInZone":     inZone,
		"date_in_zone":   inZone,
		"htmlDate":       func(at any) string { return htmlDate(timeOrNow(at)) },
		"htmlDateInZone": func(at any, zone string) string { return htmlDateInZone(timeOrNow(at), zone) },
		"ago":            ago,
		"durationRound": func(value any) string {
			if at, ok := value.(time.Time); ok {
				return durationRound(int64(now.Sub(at)))
			}
			return durationRound(value)
		},
		"keys": func(dicts ...map[string]any) []string {
			names := []string{}
			for _, dict := range dicts {
				names = append(names, sortedKeys(dict)...)
			}
			return names
		},
		"values": func(dict map[string]any) []any {
			values := []any{}
			for _, name := range sortedKeys(dict) {
				values = append(values, dict[name])
			}
			return values
		},
	}
}

// timeOrNow: Sprig's date functions take the clock's time for whatever is neither a time nor a whole number.
func timeOrNow(at any) any {
	switch at.(type) {
	case time.Time, *time.Time, int64, int, int32:
		return at
	}
	return now
}

func ago(at any) string {
	since := now
	switch at := at.(type) {
	case time.Time:
		since = at
	case int64:
		since = time.Unix(at, 0)
	case int:
		since = time.Unix(int64(at), 0)
	}
	return now.Sub(since).Round(time.Second).String()
}

func sortedKeys(dict map[string]any) []string {
	names := make([]string, 0, len(dict))
	for name := range dict {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// bounded: what could eat all memory is refused beyond a size that the Rust engine refuses as well.
func bounded(all template.FuncMap) template.FuncMap {
	const many = 1_000_000
	repeat := all["repeat"].(func(int, string) string)
	until := all["until"].(func(int) []int)
	untilStep := all["untilStep"].(func(int, int, int) []int)
	seq := all["seq"].(func(...int) string)
	return template.FuncMap{
		"repeat": func(count int, text string) (string, error) {
			if count > many || count*len(text) > 16*many {
				return "", errLimit
			}
			return repeat(count, text), nil
		},
		"until": func(count int) ([]int, error) {
			if count > many || count < -many {
				return nil, errLimit
			}
			return until(count), nil
		},
		"seq": func(bounds ...int) (string, error) {
			for _, bound := range bounds {
				if bound > many || bound < -many {
					return "", errLimit
				}
			}
			return seq(bounds...), nil
		},
		"untilStep": func(start, stop, step int) ([]int, error) {
			if step != 0 {
				if size := (float64(stop) - float64(start)) / float64(step); size > many {
					return nil, errLimit
				}
			}
			return untilStep(start, stop, step), nil
		},
	}
}
