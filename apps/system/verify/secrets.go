package verify

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"

	"example.com/ordersaga/apps/system/endpoints"
)

var (
	// A card number: 13 to 19 digits that begin as cards do, and are not part of a longer number, a
	// fraction or an id. The check digit decides.
	cardNumber = regexp.MustCompile(`(?:^|[^0-9A-Za-z.\-])([3-6][0-9]{12,18})(?:[^0-9A-Za-z.\-]|$)`)
	// Credentials, whatever they are: a password in an address, or a bearer token.
	credentials = regexp.MustCompile(`[a-z]+://[^\s:/@"]+:[^\s:/@"]+@|[Bb]earer [A-Za-z0-9._\-]{16,}`)
)

// suspicion makes a function that names the secret a text holds; empty: none.
func suspicion(system endpoints.Description, more []string) func([]byte) string {
	secrets := append(secretsOf(system), more...)
	return func(text []byte) string {
		for _, secret := range secrets {
			if bytes.Contains(text, []byte(secret)) {
				return "a password or token of this system"
			}
		}
		// The expressions are slow, and nearly no text can have a match.
		if (bytes.Contains(text, []byte("://")) || bytes.Contains(text, []byte("earer "))) && credentials.Match(text) {
			return "credentials"
		}
		if !manyDigits(text) {
			return ""
		}
		for _, match := range cardNumber.FindAllSubmatch(text, -1) {
			if luhn(match[1]) {
				return "a card number"
			}
		}
		return ""
	}
}

// manyDigits reports whether as many digits follow each other as the shortest card number has.
func manyDigits(text []byte) bool {
	run := 0
	for _, c := range text {
		if run++; c < '0' || c > '9' {
			run = 0
		} else if run == 13 {
			return true
		}
	}
	return false
}

// secretsOf are the passwords and tokens that the description of the system holds.
func secretsOf(system endpoints.Description) []string {
	var secrets []string
	addresses := []string{system.NATS}
	for _, address := range system.Databases {
		addresses = append(addresses, address)
	}
	for _, address := range addresses {
		if u, err := url.Parse(address); err == nil {
			if password, has := u.User.Password(); has && password != "" {
				secrets = append(secrets, password)
			}
		}
	}
	if system.AdminToken != "" {
		secrets = append(secrets, system.AdminToken)
	}
	return secrets
}

// luhn checks the digit that makes a number a card's.
func luhn(digits []byte) bool {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			d *= 2
			if d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// nothingSecret looks into the events (where readMessages did the reading) and into the logs.
func nothingSecret(_ context.Context, l *look) ([]Offender, error) {
	found := l.messages.secrets
	if l.system.Logs == "" {
		return found, nil
	}
	logs, err := filepath.Glob(filepath.Join(l.system.Logs, "*.log"))
	if err != nil {
		return nil, fmt.Errorf("find the logs: %w", err)
	}
	suspicious := suspicion(l.system, l.options.Secrets)
	for _, log := range logs {
		what, err := searchLog(log, suspicious)
		if err != nil {
			return nil, fmt.Errorf("read a log: %w", err)
		}
		found = append(found, what...)
	}
	return found, nil
}

func searchLog(path string, suspicious func([]byte) string) ([]Offender, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var found []Offender
	lines := bufio.NewReader(file)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if what := suspicious(line); what != "" {
			found = append(found, Offender{fmt.Sprintf("%s:%d", filepath.Base(path), n), "holds " + what})
		}
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
