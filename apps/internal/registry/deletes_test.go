package registry_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	api "example.com/ordersaga/internal/schemaregistry"
	"example.com/ordersaga/pkg/testkit"
)

// answered asks in turn, and wants each answer.
func answered(t *testing.T, client api.Client, steps ...[]string) {
	t.Helper()
	for _, step := range steps {
		method, path, body, want := step[0], step[1], step[2], step[3]
		if status, text := ask(t, client, method, path, body); !strings.Contains(fmt.Sprint(status, " ", text), want) {
			t.Errorf("%s %s %s: %d %s, want %s", method, path, body, status, text, want)
		}
	}
}

func TestDelete_AVersionIsHiddenAndThenGone(t *testing.T) {
	t.Parallel()
	client := run(t, testkit.Broker(t))
	answered(t, client, [][]string{
		{"POST", "/subjects/shop/versions", body(t, named), `{"id":1}`},
		{"POST", "/subjects/shop/versions", body(t, withNote), `{"id":2}`},
		{"DELETE", "/subjects/shop/versions/3", "", "404 {\"error_code\":40402"},
		{"DELETE", "/subjects/shop/versions/1?permanent=true", "", "404 {\"error_code\":40407"},
		{"DELETE", "/subjects/shop/versions/1", "", "200 1"},
		{"DELETE", "/subjects/shop/versions/1", "", "404 {\"error_code\":40406"},
		{"GET", "/subjects/shop/versions", "", "200 [2]"},
		{"GET", "/subjects/shop/versions?deleted=true", "", "200 [1,2]"},
		{"GET", "/subjects/shop/versions?deletedOnly=true", "", "200 [1]"},
		{"GET", "/subjects/shop/versions/1", "", "404 {\"error_code\":40402"},
		{"GET", "/subjects/shop/versions/1?deleted=true", "", `"id":1`},
		{"POST", "/subjects/shop", body(t, named), "404 {\"error_code\":40403"},
		{"POST", "/subjects/shop?deleted=true", body(t, named), `"version":1`},
		{"GET", "/schemas/ids/1/versions", "", "200 []"},
		{"DELETE", "/subjects/shop/versions/1?permanent=true", "", "200 1"},
		{"GET", "/subjects/shop/versions?deleted=true", "", "200 [2]"},
		{"GET", "/schemas/ids/1/schema", "", named.Text}, // whoever has an event of it can still read it
		// The same schema again is a new version with the same id.
		{"POST", "/subjects/shop/versions", body(t, named), `{"id":1}`},
		{"GET", "/subjects/shop/versions/latest", "", `"id":1,"version":3`},
	}...)
}

func TestDelete_ASubjectIsHiddenAndThenGone(t *testing.T) {
	t.Parallel()
	client := run(t, testkit.Broker(t))
	answered(t, client, [][]string{
		{"DELETE", "/subjects/shop", "", "404 {\"error_code\":40401"},
		{"POST", "/subjects/shop/versions", body(t, named), `{"id":1}`},
		{"POST", "/subjects/shop/versions", body(t, withNote), `{"id":2}`},
		{"DELETE", "/subjects/shop?permanent=true", "", "404 {\"error_code\":40405"},
		{"DELETE", "/subjects/shop", "", "200 [1,2]"},
		{"DELETE", "/subjects/shop", "", "404 {\"error_code\":40404"},
		{"GET", "/subjects", "", "200 []"},
		{"GET", "/subjects?deleted=true", "", `200 ["shop"]`},
		{"DELETE", "/subjects/shop?permanent=true", "", "200 [1,2]"},
		{"GET", "/subjects?deleted=true", "", "200 []"},
		{"DELETE", "/subjects/shop", "", "404 {\"error_code\":40401"},
		// What is gone binds nobody, and its numbers are not given again.
		{"POST", "/subjects/shop/versions", body(t, numbered), `{"id":3}`},
		{"GET", "/subjects/shop/versions", "", "200 [3]"},
	}...)
}

// Neither a version nor its subject is deleted while another schema refers to it, until that one is gone.
func TestDelete_IsRefusedWhereSomethingRefersToIt(t *testing.T) {
	t.Parallel()
	client := run(t, testkit.Broker(t))
	referring := api.Schema{Type: api.JSON, Text: `{"$ref": "shop.json"}`, References: []api.Reference{{Name: "shop.json", Subject: "shop", Version: 1}}}
	answered(t, client, [][]string{
		{"POST", "/subjects/shop/versions", body(t, named), `{"id":1}`},
		{"POST", "/subjects/order/versions", body(t, referring), `{"id":2}`},
		{"GET", "/subjects/shop/versions/1/referencedby", "", "200 [2]"},
		{"DELETE", "/subjects/shop/versions/1", "", "422 {\"error_code\":42206"},
		{"DELETE", "/subjects/shop", "", "422 {\"error_code\":42206"},
		{"DELETE", "/subjects/order", "", "200 [1]"},
		{"DELETE", "/subjects/shop", "", "422 {\"error_code\":42206"},
		{"DELETE", "/subjects/order?permanent=true", "", "200 [1]"},
		{"DELETE", "/subjects/shop", "", "200 [1]"},
	}...)
}

// Two processes delete what the other one does not: nothing comes back.
func TestDelete_ManyAtOnceAtTwoProcesses(t *testing.T) {
	t.Parallel()
	broker := testkit.Broker(t)
	clients := []api.Client{run(t, broker), run(t, broker)}
	const many = 20
	for n := range many {
		schema := object(fmt.Sprintf(`"field_%d": {"type": "string"}`, n), "")
		if _, err := clients[0].Register(t.Context(), "shop", schema); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for n := range many - 1 {
		wg.Go(func() {
			if status, text := ask(t, clients[n%2], http.MethodDelete, fmt.Sprintf("/subjects/shop/versions/%d", n+1), ""); status != http.StatusOK {
				t.Errorf("version %d: %d %s", n+1, status, text)
			}
		})
	}
	wg.Wait()
	answered(t, clients[1], []string{"GET", "/subjects/shop/versions", "", fmt.Sprintf("200 [%d]", many)})
}

func TestRegister_NormalizesWhenAskedTo(t *testing.T) {
	t.Parallel()
	client := run(t, testkit.Broker(t))
	answered(t, client, [][]string{
		{"POST", "/subjects/shop/versions", `{"schemaType": "JSON", "schema": "{\"type\": \"object\", \"title\": \"A < B\"}"}`, `{"id":1}`},
		{"POST", "/subjects/shop/versions?normalize=true", `{"schemaType": "JSON", "schema": "{\"title\": \"A < B\", \"type\": \"object\"}"}`, `{"id":1}`},
		{"POST", "/subjects/shop?normalize=true", `{"schemaType": "JSON", "schema": "{\"title\": \"A < B\", \"type\": \"object\"}"}`, `"version":1`},
		{"POST", "/subjects/shop", `{"schemaType": "JSON", "schema": "{\"title\": \"A < B\", \"type\": \"object\"}"}`, `"error_code":40403`},
	}...)
}

// What another registry keeps beside a schema is refused in words, and the schema with it.
func TestRegister_RefusesWhatItWouldLose(t *testing.T) {
	t.Parallel()
	client := run(t, testkit.Broker(t))
	for _, path := range []string{"/subjects/shop/versions", "/subjects/shop", "/compatibility/subjects/shop/versions/latest"} {
		answered(t, client, [][]string{
			{"POST", path, `{"schemaType": "JSON", "schema": "{}", "metadata": {"properties": {"owner": "shop"}}}`, "422 {\"error_code\":42210"},
			{"POST", path, `{"schemaType": "JSON", "schema": "{}", "ruleSet": {"domainRules": [{"name": "encrypt", "kind": "TRANSFORM"}]}}`, "422 {\"error_code\":42210"},
			{"POST", path, `{"schemaType": "JSON", "schema": "{}", "id": 7}`, "422 {\"error_code\":42205"},
		}...)
	}
	if subjects, err := client.Subjects(context.WithoutCancel(t.Context())); err != nil || len(subjects) > 0 {
		t.Errorf("there are %v, %v", subjects, err)
	}
}

func TestRegistry_AWrongMethodIsAnsweredWithTheRightOnes(t *testing.T) {
	t.Parallel()
	client := run(t, testkit.Broker(t))
	for path, want := range map[string]string{"/subjects": "GET", "/subjects/shop": "DELETE, POST", "/config": "DELETE, GET, PUT"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, client.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != want {
			t.Errorf("PATCH %s: %s, Allow: %s", path, response.Status, response.Header.Get("Allow"))
		}
	}
}
