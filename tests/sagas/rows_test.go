package sagas

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/tests/kit"
)

// rowsOfAnOrder: each service shows its own rows of an order on its admin listener, without address, card or mail address.
func rowsOfAnOrder(t *testing.T, w *system) {
	wanted := client.One("gadget", 3)
	wanted.Email = "ada@example.com"
	id := w.Place(t, wanted)
	w.Ends(t, id)
	w.AwaitState(t, "inventory", "reservation", id, "SOLD")
	for service, tables := range map[string]map[string]string{
		"order":        {"orders": `"status":"CONFIRMED"`, "order_history": `"status":"PENDING"`},
		"notification": {"mail": `"kind":"received"`},
		"inventory":    {"reservation": `"state":"SOLD"`, "stock": `"sku":"gadget"`},
		"payment":      {"payment": `"state":"CAPTURED"`, "ledger_entry": `"account":"customers"`},
		"shipping":     {"shipment": `"state":"CREATED"`},
	} {
		var kept adminapi.OrderRows
		kit.Must(t, w.At.AskAdmin(t.Context(), endpoints.AdminRequest{Process: service, Method: http.MethodGet, Path: "/rows?order=" + id}, &kept))
		all := ""
		for _, table := range kept.Tables {
			for _, row := range table.Rows {
				all += table.Table + " " + string(row) + "\n"
			}
		}
		for _, table := range slices.Sorted(maps.Keys(tables)) {
			found := slices.ContainsFunc(strings.Split(all, "\n"), func(row string) bool {
				return strings.HasPrefix(row, table+" ") && strings.Contains(row, tables[table])
			})
			if !found {
				t.Errorf("%s shows no row in %s with %s, but\n%s", service, table, tables[table], all)
			}
		}
		for _, personal := range []string{"Chausseestr", "Lovelace", "ada@example.com", "tok_visa"} {
			if strings.Contains(all, personal) {
				t.Errorf("%s shows %s", service, personal)
			}
		}
	}
}
