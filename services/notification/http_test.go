package notification

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/ordersaga/contracts/openapitest"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/services/notification/api"
)

// serve runs the API over a database and returns a client of it.
func serve(t *testing.T, pool *pgxpool.Pool) (*api.ClientWithResponses, string) {
	t.Helper()
	listener := httptest.NewServer(openapitest.Documented(t, api.GetSpec, routes(server{pool})))
	t.Cleanup(listener.Close)
	client, err := api.NewClientWithResponses(listener.URL)
	if err != nil {
		t.Fatal(err)
	}
	return client, listener.URL
}

func TestMails_AreShown(t *testing.T) {
	t.Parallel()
	pool := database(t).Pool
	client, _ := serve(t, pool)
	id := ordered(t, pool, ada)[0]
	handle(t, pool, cancelledFor(id, ada, "customer"))
	exec(t, pool, `UPDATE mail SET state = 'UNKNOWN', problem = 'nobody knows', ended_at = now() WHERE kind = 'received'`)
	answer, err := client.GetMailsWithResponse(t.Context(), uuid.MustParse(id))
	if err != nil || answer.JSON200 == nil {
		t.Fatal(answer, err)
	}
	var shown []string
	for _, m := range answer.JSON200.Mails {
		shown = append(shown, m.Kind+" "+string(m.State))
		same(t, m.Kind+" has an end", m.EndedAt != nil, m.Kind == "received")
		same(t, m.Kind+" has a problem", m.Problem != nil && *m.Problem == "nobody knows", m.Kind == "received")
	}
	same(t, "mails", shown, []string{"received UNKNOWN", "cancelled WAITING"})
	if strings.Contains(string(answer.Body), "Ada") || strings.Contains(string(answer.Body), ada) {
		t.Errorf("the answer names the customer: %s", answer.Body)
	}
	unknown, err := client.GetMailsWithResponse(t.Context(), uuid.New())
	if err != nil || !strings.Contains(string(unknown.Body), `"mails":[]`) {
		t.Errorf("of an unknown order it shows %s, %v", unknown.Body, err)
	}
}

func TestAPI_BadRequestsAreRefused(t *testing.T) {
	t.Parallel()
	_, url := serve(t, database(t).Pool)
	for _, c := range []struct {
		name, method, path string
		status             int
	}{
		{"an order id that is none", "GET", "/v1/mails/42", 400},
		{"an unknown path", "GET", "/v1/mails", 404},
		{"a wrong method", "POST", "/v1/mails/019ab0f2-7c3e-7d10-9a55-0c2f6a1b7e42", 405},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			request, err := http.NewRequestWithContext(t.Context(), c.method, url+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != c.status || response.Header.Get("Content-Type") != problem.ContentType {
				t.Errorf("answered %s %s, want a problem with status %d", response.Status, response.Header.Get("Content-Type"), c.status)
			}
		})
	}
}
