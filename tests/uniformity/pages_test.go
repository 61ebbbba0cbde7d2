package uniformity

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPages_NameOnlyWhatThereIs looks for each setting, metric, file and target that a page names in what runs.
func TestPages_NameOnlyWhatThereIs(t *testing.T) {
	t.Parallel()
	var runs strings.Builder
	for _, pattern := range []string{"*.go", "*.sh", "*.yml", "*.yaml", "Makefile", ".devcontainer/*"} {
		for _, file := range listed(t, pattern) {
			text, err := os.ReadFile(filepath.Join("../..", file))
			if err != nil && file != "" {
				t.Fatal(err)
			}
			runs.Write(text)
		}
	}
	for _, page := range listed(t, "*.md") {
		text, err := os.ReadFile(filepath.Join("../..", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range unknown(string(text), runs.String(), strings.HasPrefix(page, "docs/") || page == "README.md") {
			t.Errorf("%s names %s, which there is not", page, name)
		}
	}
}

var (
	settings = regexp.MustCompile("`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)[`=]")
	metrics  = regexp.MustCompile("`(inbox|outbox|payment|notification|translator)_([a-z_]+_(?:total|seconds|events|unsent|differences))[`{]")
	paths    = regexp.MustCompile("`((?:apps|services|internal|pkg|contracts|tests|deploy|findings)/[A-Za-z0-9_./-]+)`")
	targets  = regexp.MustCompile("(?m)(?:`|^|\\$ )make ([a-z][a-z-]*)")
)

// unknown are the names on a page that stand in nothing that runs. Only a page of today has the files of today.
func unknown(page, runs string, today bool) (names []string) {
	for _, m := range settings.FindAllStringSubmatch(page, -1) {
		if !strings.Contains(runs, m[1]) {
			names = append(names, m[1])
		}
	}
	for _, m := range metrics.FindAllStringSubmatch(page, -1) {
		if !strings.Contains(runs, `"`+m[2]+`"`) && !strings.Contains(runs, `"`+m[1]+"_"+m[2]+`"`) {
			names = append(names, m[1]+"_"+m[2])
		}
	}
	for _, m := range targets.FindAllStringSubmatch(page, -1) {
		if !strings.Contains(runs, "\n"+m[1]+":") {
			names = append(names, "make "+m[1])
		}
	}
	for _, m := range paths.FindAllStringSubmatch(page, -1) {
		if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil && today {
			names = append(names, m[1])
		}
	}
	return names
}

func TestPages_WhatThereIsNotIsFound(t *testing.T) {
	t.Parallel()
	const runs = "SMTP_TLS\n\nbuild: ## \n \"mails_total\" \"translator_messages_total\""
	for page, want := range map[string]int{
		"Set `SMTP_TLS` to `implicit`, or `SMTP_TLS=offered`.": 0,
		"`SMTP_SSL=1`": 1,
		"`notification_mails_total{state=\"WAITING\"}`":    0,
		"`translator_messages_total`":                      0,
		"`order_mails_unsent` is none of ours, but":        0,
		"`notification_mails_unsent_seconds` is":           1,
		"`make build`, and\nmake build":                    0,
		"```sh\nmake install\n```":                         1,
		"`deploy/docker-compose.yml` and `services/order`": 0,
		"`deploy/up`": 1,
	} {
		if names := unknown(page, runs, true); len(names) != want {
			t.Errorf("%q: %q, want %d", page, names, want)
		}
	}
}
