package operate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/pkg/events"
)

// Lag is how far behind a process of a service is, and what it had to bear since it was started.
type Lag struct {
	Process     string `json:"process"`
	Problem     string `json:"problem,omitempty"`
	Unpublished int    `json:"unpublished"`  // rows of its outbox that are not in the stream yet
	Pending     int    `json:"pending"`      // messages that its service has not been given yet
	Unfinished  int    `json:"unfinished"`   // that it was given, and has not acknowledged
	Redelivered int    `json:"redelivered"`  // deliveries that were not the first of their message
	Absorbed    int    `json:"absorbed"`     // deliveries of events that had taken effect already
	Postponed   int    `json:"postponed"`    // deliveries that were put off because something failed
	DeadLetters int    `json:"dead_letters"` // messages that were parked
}

// Breaker is the ambassador's guard before an endpoint of the card gateway.
type Breaker struct {
	Endpoint string `json:"endpoint"`
	State    string `json:"state"` // closed, half-open or open
	Healthy  bool   `json:"healthy"`
}

// Lags is what there is to be seen of all.
type Lags struct {
	Processes []Lag     `json:"processes"`
	Breakers  []Breaker `json:"breakers"`
	Problem   string    `json:"problem,omitempty"` // why nothing is known of the broker or of the breakers
}

// lags asks the processes for their metrics, and the broker for its consumers.
type lags struct {
	system endpoints.Description

	mu     sync.Mutex
	stream *eventlog.Stream // connected when it is first asked for
}

func (l *lags) all(ctx context.Context) Lags {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	found := Lags{Processes: []Lag{}, Breakers: []Breaker{}}
	backlogs, err := l.backlogs(ctx)
	if err != nil {
		found.Problem = "the broker does not answer"
	}
	for _, process := range slices.Sorted(maps.Keys(l.system.URLs)) {
		service, _, _ := strings.Cut(process, "-")
		if slices.Contains(events.Services, events.Service(service)) {
			found.Processes = append(found.Processes, l.lag(ctx, process, backlogs[events.Service(service)]))
		}
	}
	if found.Breakers, err = l.breakers(ctx); err != nil {
		found.Problem = "the ambassador does not answer"
	}
	return found
}

func (l *lags) lag(ctx context.Context, process string, backlog eventlog.Backlog) Lag {
	lag := Lag{Process: process, Pending: backlog.Pending, Unfinished: backlog.Unacknowledged}
	measured, err := l.metrics(ctx, process)
	if err != nil {
		lag.Problem = "does not answer"
		return lag
	}
	for name, into := range map[string]*int{
		"outbox_backlog": &lag.Unpublished, "inbox_redeliveries_total": &lag.Redelivered, "inbox_retries_total": &lag.Postponed,
		"inbox_duplicates_total": &lag.Absorbed, "inbox_dead_letters_total": &lag.DeadLetters,
	} {
		*into = int(measured[name])
	}
	return lag
}

// backlogs is what the consumer of each service has not finished.
func (l *lags) backlogs(ctx context.Context) (map[events.Service]eventlog.Backlog, error) {
	stream, err := l.connected()
	if err != nil {
		return nil, err
	}
	found := map[events.Service]eventlog.Backlog{}
	for _, service := range events.Services {
		if found[service], err = stream.Backlog(ctx, service); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (l *lags) connected() (stream *eventlog.Stream, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stream == nil {
		l.stream, err = eventlog.Open(l.system.NATS)
	}
	return l.stream, err
}

func (l *lags) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stream != nil {
		l.stream.Close()
	}
}

const ambassador = "ambassador"

func (l *lags) breakers(ctx context.Context) ([]Breaker, error) {
	found := []Breaker{}
	if l.system.URLs[ambassador] == "" {
		return found, nil
	}
	measured, err := l.metrics(ctx, ambassador)
	if err != nil {
		return found, err
	}
	for _, name := range slices.Sorted(maps.Keys(measured)) {
		endpoint, is := strings.CutPrefix(name, `ambassador_breaker_open{endpoint="`)
		if !is {
			continue
		}
		endpoint = strings.TrimSuffix(endpoint, `"}`)
		state := map[float64]string{0: "closed", 0.5: "half-open", 1: "open"}[measured[name]]
		found = append(found, Breaker{endpoint, state, measured[`ambassador_endpoint_healthy{endpoint="`+endpoint+`"}`] == 1})
	}
	return found, nil
}

// metrics are what a process says of itself, by name with labels.
func (l *lags) metrics(ctx context.Context, process string) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.system.URLs[process]+"/metrics", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("measure %s: %w", process, err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("measure %s: %w", process, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New("measure " + process + ": it answered " + response.Status)
	}
	measured := map[string]float64{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if number, err := strconv.ParseFloat(value, 64); err == nil {
			measured[name] = number
		}
	}
	return measured, lines.Err()
}
