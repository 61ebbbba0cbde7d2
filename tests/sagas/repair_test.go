package sagas

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/supervisor"
	"example.com/ordersaga/apps/system/verify"
	order "example.com/ordersaga/services/order/api"
	"example.com/ordersaga/tests/kit"
)

// TestRefund_OneThatIsRefusedIsRepaired is about a compensation that fails: the order waits for a person with its stock held, and
// ends as if nothing had failed once sagactl has repaired it, either way.
func TestRefund_OneThatIsRefusedIsRepaired(t *testing.T) {
	t.Parallel()
	w := open(t, supervisor.Options{})
	for _, repair := range []struct {
		name            string
		gatewayRecovers bool
		byHand          int64 // is refunded at the gateway before
		args            []string
		ends            string
		refunded        int
	}{
		{"settled outside the gateway", false, 0, []string{"resolve", "--outcome", "settlement", "--reference", "transfer 4711"}, "SETTLED", 0},
		{"tried again once the gateway has recovered", true, 0, []string{"retry"}, "REFUNDED", 1},
		{"of which a part was made by hand, tried again", true, 500, []string{"retry"}, "REFUNDED", 2},
		{"of which a part was made by hand, settled", false, 500, []string{"resolve", "--outcome", "settlement", "--reference", "transfer 4712"}, "SETTLED", 1},
	} {
		t.Run(repair.name, func(t *testing.T) {
			wanted := client.One("widget", 1)
			wanted.Token, wanted.Country = "tok_refund_refused", "AQ"
			id := w.Place(t, wanted)
			saga := w.awaitSaga(t, id, "to need attention", func(s order.Saga) bool {
				return s.Status == order.NEEDSATTENTION && len(s.Incidents) == 1 && s.Incidents[0].Kind == "refund_refused"
			})
			if held := w.State(t, "inventory", "reservation", id); held != "RESERVED" {
				t.Errorf("the stock is %s while the money is not back", held)
			}
			if repair.byHand > 0 {
				w.RefundByHand(t, id, repair.byHand)
			}
			if repair.gatewayRecovers {
				w.RefundRefusals(t, "never")
				defer w.RefundRefusals(t, "token")
			}
			args := append([]string{"incidents", repair.args[0], saga.Incidents[0].Id, "--by", "grace", "--why", "it was refused"}, repair.args[1:]...)
			w.sagactl(t, args...)
			if got := w.Ends(t, id); got.Status != order.CANCELLED {
				t.Errorf("the order ended %s", got.Status)
			}
			w.AwaitState(t, "payment", "payment", id, repair.ends)
			w.AwaitState(t, "inventory", "reservation", id, "RELEASED")
			if n := w.Count(t, "payment", `SELECT count(*) FROM operator_action WHERE by = 'grace' AND target_id = $1`, saga.Incidents[0].Id); n != 1 {
				t.Errorf("%d actions were recorded", n)
			}
			var open struct {
				Incidents []json.RawMessage `json:"incidents"`
			}
			if kit.Must(t, json.Unmarshal(w.sagactl(t, "incidents", "list", "-o", "json"), &open)); len(open.Incidents) != 0 {
				t.Errorf("open at the end: %s", open.Incidents)
			}
			if captured, refunded := w.Gateway(t, id); captured != 1 || refunded != repair.refunded {
				t.Errorf("the gateway has %d charges and %d refunds", captured, refunded)
			}
		})
	}
	w.Holds(t, w.Secrets()...)
}

// TestRefund_ByHandOfAConfirmedOrderIsAccepted is about money that somebody gives back at the gateway for an order that
// nobody undoes: both ledgers differ until an operator accepts that, and agree for good then.
func TestRefund_ByHandOfAConfirmedOrderIsAccepted(t *testing.T) {
	t.Parallel()
	w := open(t, supervisor.Options{Env: map[string]map[string]string{"payment": {"RECONCILE_EVERY": "1s", "RECONCILE_GRACE": "1s"}}})
	orders := map[string]string{} // with the refund that is named
	for _, parts := range [][]int64{{500}, {4950}, {500, 700}} {
		id := w.Place(t, client.One("gadget", 1))
		if got := w.Ends(t, id); got.Status != order.CONFIRMED {
			t.Fatalf("the order ended %s", got.Status)
		}
		for _, part := range parts {
			orders[id] = w.RefundByHand(t, id, part)
		}
	}
	report, err := verify.Check(t.Context(), w.At, verify.Options{})
	kit.Must(t, err)
	if report.Holds {
		t.Error("before anybody has accepted that the money is back, verify has nothing to report")
	}
	for id, refund := range orders {
		var incident string
		kit.Eventually(t, "the ledgers' difference to be reported", func() (err error) {
			incident, err = w.openIncident(t, id)
			return err
		})
		shown := string(w.sagactl(t, "incidents", "show", incident))
		if !strings.Contains(shown, refund) || !strings.Contains(shown, "back of the 49.50 USD that were captured") {
			t.Errorf("the operator reads\n%s", shown)
		}
		w.sagactl(t, "incidents", "resolve", incident, "--outcome", "refund", "--refund-id", refund, "--by", "grace", "--why", "the parcel was damaged")
		kit.Eventually(t, "the incident to close", func() error {
			if still, _ := w.openIncident(t, id); still != "" {
				return errors.New("it is open")
			}
			return nil
		})
		w.AwaitState(t, "payment", "payment", id, "CAPTURED")
		w.AwaitState(t, "inventory", "reservation", id, "SOLD")
	}
	w.Holds(t, w.Secrets()...)
}

// openIncident is the one open incident of an order.
func (w *system) openIncident(t *testing.T, orderID string) (string, error) {
	t.Helper()
	var open struct {
		Incidents []struct{ ID, Kind string } `json:"incidents"`
	}
	kit.Must(t, json.Unmarshal(w.sagactl(t, "incidents", "list", "--order", orderID, "-o", "json"), &open))
	if len(open.Incidents) != 1 {
		return "", fmt.Errorf("open: %v", open.Incidents)
	}
	return open.Incidents[0].ID, nil
}

// sagactl runs a command on the system, and returns what it printed.
func (w *system) sagactl(t *testing.T, args ...string) []byte {
	t.Helper()
	command := w.Sagactl(t.Context(), t, args...)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("sagactl %v: %v", args, err)
	}
	return out
}
