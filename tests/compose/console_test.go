//go:build compose

package compose

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/tests/kit"
)

// consoleAsks: from its container the console reaches everybody whom its pages want to know something of.
func consoleAsks(t *testing.T, w *containers) {
	wanted := client.One("widget", 1)
	wanted.Email = "carol@customers.example"
	id := w.Place(t, wanted)
	w.Ends(t, id)
	kit.Eventually(t, "the rows of everybody, notification's written last", func() error {
		var kept struct { // anew each time: what an answer leaves out would stay
			Rows []struct {
				Of, Problem string
				Tables      []struct{ Rows []json.RawMessage }
			}
		}
		if err := w.console(t, "/api/sagas/"+id+"/rows", &kept); err != nil {
			return err
		}
		if want := len(events.Consumers) + 1; len(kept.Rows) != want {
			return fmt.Errorf("there are rows of %d, not of all services and the gateway: %d", len(kept.Rows), want)
		}
		for _, rows := range kept.Rows {
			if rows.Problem != "" || len(rows.Tables) == 0 || len(rows.Tables[0].Rows) == 0 {
				return fmt.Errorf("of %s there is %q, %+v", rows.Of, rows.Problem, rows.Tables)
			}
		}
		return nil
	})
	kit.Eventually(t, "the lags of everybody", func() error {
		var lags struct {
			Problem             string
			Processes, Breakers []json.RawMessage
		}
		err := w.console(t, "/api/operate/lags", &lags)
		if err == nil && (lags.Problem != "" || len(lags.Processes) != len(events.Consumers) || len(lags.Breakers) != 1) {
			err = fmt.Errorf("there are %+v", lags)
		}
		return err
	})
	kit.Eventually(t, "the invariants to be checked", func() error {
		var found struct {
			Holds  bool
			Orders int
		}
		err := w.console(t, "/api/operate/invariants", &found)
		if err == nil && (!found.Holds || found.Orders == 0) {
			err = fmt.Errorf("they are %+v", found)
		}
		return err
	})
}

// console asks the console what its pages ask it.
func (w *containers) console(t *testing.T, path string, into any) error {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.At.URLs[endpoints.Console]+path, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the console answers %s", response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}
