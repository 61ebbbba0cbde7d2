//go:build interop

package interop

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/eventlog"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/tests/kit"
)

// publishes answers what Pact's verifier asks of a publisher: the event that a description names, and its subject.
func publishes(all map[string]eventlog.Seen) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Description string }
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		seen, is := all[asked.Description]
		if !is {
			http.Error(w, "nobody publishes "+asked.Description, http.StatusNotFound)
			return
		}
		metadata, _ := json.Marshal(map[string]string{"subject": seen.Subject})
		w.Header().Set("Pact-Message-Metadata", base64.StdEncoding.EncodeToString(metadata))
		w.Header().Set("Content-Type", events.ContentType)
		raw := seen.Raw
		if answer, is := seen.Event.(interface{ Repeated() bool }); is && !answer.Repeated() {
			raw = bytes.Replace(raw, []byte(`"data":{`), []byte(`"data":{"attempt":2,`), 1) // as when it is published again
		}
		_, _ = w.Write(raw)
	})
}

// params are the values that a pact gives as examples, or that this system gives in their place.
type params = map[string]string

// states makes true what a pact presupposes, and answers with the values of this system.
func (s *system) states(t *testing.T) http.Handler {
	t.Helper()
	nothing := func(params) (params, error) { return nil, nil }
	known := map[string]func(params) (params, error){
		"":                                      nothing, // the verifier's name for none
		"there is stock":                        nothing,
		"widgets are sold":                      nothing,
		"nothing is charged":                    nothing,
		"an order is charged":                   func(p params) (params, error) { return s.charge(t.Context(), p, "tok_visa") },
		"an order is pending":                   func(params) (params, error) { return s.placed(t.Context(), "tok_error_always", "DE", false) },
		"an order is reserved":                  func(params) (params, error) { return s.placed(t.Context(), "tok_visa", "DE", true) },
		"an order has a mail without an answer": func(params) (params, error) { return s.mailed(t.Context()) },
		"an order is cancelled": func(params) (params, error) {
			return s.placed(t.Context(), "tok_visa", "AQ", true)
		},
		"an order is charged to a card that takes nothing back": func(p params) (params, error) {
			return s.charge(t.Context(), p, "tok_refund_refused")
		},
		"an order is charged, and a part given back": func(p params) (params, error) {
			charged, err := s.charge(t.Context(), p, "tok_visa")
			if err == nil {
				_, err = s.ask(t.Context(), "/v1/refunds", fmt.Sprintf(`{"charge_id":%q,"amount":500,"currency":"USD"}`, charged["charge_id"]))
			}
			return charged, err
		},
	}
	known["an order is being charged"] = known["an order is pending"]
	known["an order is paid"], known["an order is shipped"] = known["an order is reserved"], known["an order is reserved"]
	known["there are two orders"] = known["an order is reserved"] // there are many already
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			State, Action string
			Params        params
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if asked.Action == "teardown" {
			return // what was made stays
		}
		state, is := known[asked.State]
		if !is {
			t.Errorf("nobody can make it so that %q", asked.State)
			http.Error(w, "unknown", http.StatusNotFound)
			return
		}
		own, err := state(asked.Params)
		if err != nil {
			t.Errorf("%s: %v", asked.State, err)
		}
		values := maps.Clone(asked.Params)
		if values == nil {
			values = params{}
		}
		maps.Copy(values, own)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(values)
	})
}

// placed is an order; ended means that its saga has.
func (s *system) placed(ctx context.Context, token, country string, ended bool) (params, error) {
	wanted := client.One("widget", 1)
	wanted.Token, wanted.Country, wanted.Email = token, country, "ada@customers.example"
	id, err := s.TryPlace(ctx, wanted)
	if err == nil && ended {
		_, err = s.TryEnd(ctx, id)
	}
	return params{"order_id": id}, err
}

// mailed is an order with a mail that the mail server took without an answer.
func (s *system) mailed(ctx context.Context) (params, error) {
	values, err := s.placed(ctx, "tok_visa", "DE", true)
	if err != nil {
		return nil, err
	}
	env, err := s.Environment(string(events.Notification))
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, env["MIGRATIONS_URL"])
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return values, kit.Until(ctx, "a mail", func() error {
		done, err := conn.Exec(ctx,
			`UPDATE mail SET state = 'UNKNOWN', problem = 'no answer', ended_at = now() WHERE order_id = $1`, values["order_id"])
		if err == nil && done.RowsAffected() == 0 {
			err = fmt.Errorf("there is none of order %s", values["order_id"])
		}
		return err
	})
}

// charge has the card gateway capture money that no order asked for.
func (s *system) charge(ctx context.Context, p params, token string) (params, error) {
	reference := p["reference"]
	answer, err := s.ask(ctx, "/v1/charges",
		fmt.Sprintf(`{"merchant_reference":%q,"amount":1999,"currency":"USD","payment_method":%q}`, reference, token))
	if err != nil {
		return nil, err
	}
	var made struct{ ID string }
	err = json.Unmarshal(answer, &made)
	return params{"charge_id": made.ID}, err
}

// ask sends the gateway a request.
func (s *system) ask(ctx context.Context, path, body string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.At.URLs["gateway"]+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", uuid.NewString())
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode/100 != 2 {
		err = fmt.Errorf("the gateway answered %s: %s", response.Status, answer)
	}
	return answer, err
}
