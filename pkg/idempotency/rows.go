package idempotency

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// stored is the row of a key: the response, or the lease of the execution that is under way.
type stored struct {
	fingerprint []byte
	finished    bool
	leased      bool
	response    Response
}

// decide makes outcomes of the locks (by position) and the rows (by position).
func decide(requests []Request, held []bool, known map[int]stored) []Outcome {
	outcomes := make([]Outcome, len(requests))
	type name struct{ scope, key string }
	taken := map[name]bool{}
	for i, request := range requests {
		old, found := known[i]
		self := name{request.Scope, request.Key}
		switch {
		case found && !bytes.Equal(old.fingerprint, request.Fingerprint):
			outcomes[i] = Outcome{Kind: OtherBody}
		case found && old.finished:
			outcomes[i] = Outcome{Kind: Replay, Response: old.response}
		case found && old.leased, !held[i], taken[self]:
			outcomes[i] = Outcome{Kind: InProgress}
		default:
			taken[self] = true
			outcomes[i] = Outcome{Kind: Fresh}
		}
	}
	return outcomes
}

// collectStored reads the rows of readKeys, by the position of the request that they belong to.
func collectStored(rows pgx.Rows) (map[int]stored, error) {
	known := map[int]stored{}
	var (
		position             int
		row                  stored
		status               *int
		fingerprint, headers []byte
		body                 []byte
	)
	_, err := pgx.ForEachRow(rows, []any{&position, &fingerprint, &status, &headers, &body, &row.leased}, func() error {
		found := stored{fingerprint: bytes.Clone(fingerprint), leased: row.leased, finished: status != nil}
		if status != nil {
			found.response = Response{Status: *status, Body: bytes.Clone(body)}
			if err := json.Unmarshal(headers, &found.response.Header); err != nil {
				return fmt.Errorf("stored headers: %w", err)
			}
		}
		known[position-1] = found // SQL counts from one
		return nil
	})
	return known, err
}

// table is rows as columns, which is how unnest wants them.
type table struct {
	scopes, keys, headers, leases []string
	fingerprints, bodies          [][]byte
	statuses                      []int
	keeps                         []time.Duration
}

// tableOf lays out the responses that are to be stored.
func tableOf(finished []Finished) (table, error) {
	var t table
	for _, f := range finished {
		if !f.Response.storable() {
			continue
		}
		headers, err := json.Marshal(f.Response.Header)
		if err != nil {
			return table{}, fmt.Errorf("encode the headers of a response: %w", err)
		}
		t.scopes, t.keys = append(t.scopes, f.Scope), append(t.keys, f.Key)
		t.fingerprints = append(t.fingerprints, f.Fingerprint)
		t.statuses = append(t.statuses, f.Response.Status)
		t.headers = append(t.headers, string(headers))
		t.bodies = append(t.bodies, append([]byte{}, f.Response.Body...)) // an empty body is not NULL
		t.keeps = append(t.keeps, cmp.Or(f.Keep, defaultKeep))
		t.leases = append(t.leases, f.Lease)
	}
	return t, nil
}

func columns(requests []Request) (scopes, keys []string) {
	for _, request := range requests {
		scopes, keys = append(scopes, request.Scope), append(keys, request.Key)
	}
	return scopes, keys
}
