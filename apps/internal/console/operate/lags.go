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

// Lag is how far behind a process is, and what it has counted since its start.
type Lag struct {
	Process        string `json:"process"`
	Problem        string `json:"problem,omitempty"`
	Unpublished    int    `json:"unpublished"`    // rows of its outbox that are not in the stream yet
	Pending        int    `json:"pending"`        // messages that were not delivered to its service yet
	Unacknowledged int    `json:"unacknowledged"` // delivered to its service and not acknowledged
	Redelivered    int    `json:"redelivered"`    // deliveries that were not the first of their message
	Duplicates     int    `json:"duplicates"`     // deliveries of events that had taken effect before
	Retries        int    `json:"retries"`        // deliveries that failed and are retried
	DeadLetters    int    `json:"dead_letters"`
}

// Breaker is the ambassador's circuit breaker for an endpoint of the card gateway.
type Breaker struct {
	Endpoint string `json:"endpoint"`
	State    string `json:"state"` // closed, half-open or open
	Healthy  bool   `json:"healthy"`
}

// Lags are those of all processes.
type Lags struct {
	Processes []Lag     `json:"processes"`
	Breakers  []Breaker `json:"breakers"`
	Problem   string    `json:"problem,omitempty"` // why the broker's or the ambassador's part is missing
}

const ambassador = "ambassador"

// readLags asks the processes for their metrics and the broker for its consumers, all at once: who is silent makes
// nobody else look so.
func readLags(ctx context.Context, system endpoints.Description) Lags {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var asking sync.WaitGroup
	var backlogs map[events.Service]eventlog.Backlog
	var broker error
	asking.Go(func() { backlogs, broker = readBacklogs(ctx, system.NATS) })
	lags := Lags{Processes: []Lag{}, Breakers: []Breaker{}}
	for _, process := range slices.Sorted(maps.Keys(system.URLs)) {
		if slices.Contains(events.Consumers, endpoints.ServiceOf(process)) {
			lags.Processes = append(lags.Processes, Lag{Process: process})
		}
	}
	for i := range lags.Processes {
		asking.Go(func() { lags.Processes[i].read(ctx, system.URLs[lags.Processes[i].Process]) })
	}
	var ambassadors map[string]float64
	var silent error
	if url := system.URLs[ambassador]; url != "" {
		asking.Go(func() { ambassadors, silent = readMetrics(ctx, url) })
	}
	asking.Wait()
	for i, lag := range lags.Processes {
		backlog := backlogs[endpoints.ServiceOf(lag.Process)]
		lags.Processes[i].Pending, lags.Processes[i].Unacknowledged = backlog.Pending, backlog.Unacknowledged
	}
	lags.Breakers = append(lags.Breakers, breakers(ambassadors)...)
	switch {
	case broker != nil && silent != nil:
		lags.Problem = "neither the broker nor the ambassador answers"
	case broker != nil:
		lags.Problem = "the broker does not answer"
	case silent != nil:
		lags.Problem = "the ambassador does not answer"
	}
	return lags
}

func (l *Lag) read(ctx context.Context, url string) {
	metrics, err := readMetrics(ctx, url)
	if err != nil {
		l.Problem = "does not answer"
		return
	}
	l.count(metrics)
}

func (l *Lag) count(metrics map[string]float64) {
	l.Unpublished = int(metrics["outbox_backlog"])
	l.Redelivered = int(metrics["inbox_redeliveries_total"])
	l.Duplicates = int(metrics["inbox_duplicates_total"])
	l.Retries = int(metrics["inbox_retries_total"])
	l.DeadLetters = int(metrics["inbox_dead_letters_total"])
}

// readBacklogs is what the consumer of each service has not finished.
func readBacklogs(ctx context.Context, nats string) (map[events.Service]eventlog.Backlog, error) {
	stream, err := eventlog.Open(nats)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	backlogs := map[events.Service]eventlog.Backlog{}
	for _, service := range events.Consumers {
		if backlogs[service], err = stream.Backlog(ctx, service); err != nil {
			return nil, err
		}
	}
	return backlogs, nil
}

func breakers(metrics map[string]float64) (all []Breaker) {
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		labels, is := strings.CutPrefix(name, "ambassador_breaker_open")
		if !is {
			continue
		}
		endpoint := strings.TrimSuffix(strings.TrimPrefix(labels, `{endpoint="`), `"}`)
		state := map[float64]string{0: "closed", 0.5: "half-open", 1: "open"}[metrics[name]]
		all = append(all, Breaker{endpoint, state, metrics["ambassador_endpoint_healthy"+labels] == 1})
	}
	return all
}

// readMetrics are the samples of a process, by name with labels.
func readMetrics(ctx context.Context, url string) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/metrics", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New("read metrics: " + response.Status)
	}
	metrics := map[string]float64{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if number, err := strconv.ParseFloat(value, 64); err == nil {
			metrics[name] = number
		}
	}
	return metrics, lines.Err()
}
