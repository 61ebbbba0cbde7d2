package registry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/ordersaga/apps/internal/registry"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/internal/natsadmin"
	api "example.com/ordersaga/internal/schemaregistry"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const within = 60 * time.Second

// run runs a registry until the test ends, and returns where it listens.
func run(t *testing.T, broker *testkit.NATS) api.Client {
	t.Helper()
	port, err := localservers.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"NATS_URL": broker.URL(natsadmin.Registry), "HTTP_ADDR": fmt.Sprintf("127.0.0.1:%d", port)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- registry.Run(ctx, func(name string) string { return env[name] }, slog.New(slog.NewTextHandler(t.Output(), nil)))
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	client := api.Client{URL: "http://" + env["HTTP_ADDR"]}
	testkit.Eventually(t, within, "it to be ready", func() bool {
		status, _ := ask(t, client, http.MethodGet, "/readyz", "")
		return status == http.StatusOK
	})
	return client
}

// ask sends what no client of ours would.
func ask(t *testing.T, client api.Client, method, path, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, client.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	if got := response.Header.Get("Content-Type"); response.Request.URL.Path != "/readyz" && got != api.MediaType {
		t.Errorf("%s %s is answered as %q", method, path, got)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func object(properties, required string) api.Schema {
	return api.Schema{Type: api.JSON, Text: fmt.Sprintf(`{"type": "object", "properties": {%s}, "required": [%s]}`, properties, required)}
}

var (
	named    = object(`"name": {"type": "string"}`, `"name"`)
	withNote = object(`"name": {"type": "string"}, "note": {"type": "string"}`, `"name"`)
	numbered = object(`"name": {"type": "integer"}`, `"name"`)
)

// body is a schema as a request.
func body(t *testing.T, schema api.Schema) string {
	t.Helper()
	content, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// The paths, bodies and codes are those that tools for such registries know.
func TestRegistry_HasThePathsBodiesAndCodesThatToolsKnow(t *testing.T) {
	t.Parallel()
	client := run(t, testkit.Broker(t))
	for _, step := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/subjects", "", 200, `[]`},
		{"GET", "/schemas/types", "", 200, `["JSON"]`},
		{"GET", "/config", "", 200, `{"compatibilityLevel":"FULL_TRANSITIVE"}`},
		{"GET", "/subjects/shop/versions", "", 404, `"error_code":40401`},
		{"POST", "/subjects/shop", body(t, named), 404, `"error_code":40401`},
		{"POST", "/subjects/shop/versions", body(t, named), 200, `{"id":1}`},
		{"POST", "/subjects/shop/versions", body(t, named), 200, `{"id":1}`},
		{"POST", "/subjects/a%2Fb%20c/versions", body(t, named), 200, `{"id":1}`},
		{"POST", "/subjects/shop/versions", body(t, withNote), 200, `{"id":2}`},
		{"POST", "/subjects/shop/versions", body(t, numbered), 409, `"error_code":409`},
		{"GET", "/subjects", "", 200, `["a/b c","shop"]`},
		{"GET", "/subjects/shop/versions", "", 200, `[1,2]`},
		{"GET", "/subjects/shop/versions/1", "", 200, `{"subject":"shop","id":1,"version":1,"schemaType":"JSON","schema":`},
		{"GET", "/subjects/shop/versions/latest", "", 200, `"version":2`},
		{"GET", "/subjects/shop/versions/3", "", 404, `"error_code":40402`},
		{"GET", "/subjects/shop/versions/last", "", 422, `"error_code":42202`},
		{"POST", "/subjects/shop", body(t, withNote), 200, `"version":2`},
		{"POST", "/subjects/shop", body(t, numbered), 404, `"error_code":40403`},
		{"GET", "/schemas/ids/2", "", 200, `{"schemaType":"JSON","schema":`},
		{"GET", "/schemas/ids/99", "", 404, `"error_code":40403`},
		{"GET", "/schemas/ids/one", "", 404, `"error_code":40403`},
		{"POST", "/compatibility/subjects/shop/versions/latest", body(t, withNote), 200, `{"is_compatible":true}`},
		{"POST", "/compatibility/subjects/shop/versions/1", body(t, numbered), 200, `{"is_compatible":false}`},
		{"POST", "/compatibility/subjects/shop/versions/latest?verbose=true", body(t, numbered), 200, `"messages":["/name`},
		{"POST", "/compatibility/subjects/shop/versions?verbose=true", body(t, numbered), 200, `"messages":["/name`},
		{"POST", "/compatibility/subjects/nobody/versions/latest", body(t, named), 200, `{"is_compatible":true}`},
		{"POST", "/compatibility/subjects/nobody/versions", body(t, named), 200, `{"is_compatible":true}`},
		{"POST", "/compatibility/subjects/nobody/versions/1", body(t, named), 404, `"error_code":40402`},
		{"GET", "/", "", 200, `{}`},
		{"GET", "/subjects?subjectPrefix=a", "", 200, `["a/b c"]`},
		{"GET", "/schemas?subjectPrefix=shop&latestOnly=true", "", 200, `[{"subject":"shop","id":2,"version":2,`},
		{"GET", "/schemas/ids/1/versions", "", 200, `[{"subject":"a/b c","version":1},{"subject":"shop","version":1}]`},
		{"GET", "/schemas/ids/1/subjects", "", 200, `["a/b c","shop"]`},
		{"GET", "/schemas/ids/99/versions", "", 404, `"error_code":40403`},
		{"GET", "/schemas/ids/1/schema", "", 200, named.Text},
		{"GET", "/subjects/shop/versions/1/schema", "", 200, named.Text},
		{"GET", "/subjects/shop/versions/1/referencedby", "", 200, `[]`},
		{"GET", "/contexts", "", 200, `["."]`},
		{"GET", "/mode", "", 200, `{"mode":"READWRITE"}`},
		{"GET", "/mode/shop", "", 404, `"error_code":40409`},
		{"GET", "/mode/shop?defaultToGlobal=true", "", 200, `{"mode":"READWRITE"}`},
		{"PUT", "/mode", `{"mode": "READWRITE"}`, 200, `{"mode":"READWRITE"}`},
		{"PUT", "/mode/shop", `{"mode": "READONLY"}`, 422, `"error_code":42205`},
		{"POST", "/compatibility/subjects/shop/versions/9", body(t, named), 404, `"error_code":40402`},
		{"GET", "/config/shop", "", 404, `"error_code":40408`},
		{"GET", "/config/shop?defaultToGlobal=true", "", 200, `"FULL_TRANSITIVE"`},
		{"PUT", "/config/shop", `{"compatibility": "SOMETIMES"}`, 422, `"error_code":42203`},
		{"PUT", "/config/shop", `{"compatibility": "NONE", "alias": "store"}`, 422, `\"alias\"`},
		{"PUT", "/config/shop", `{"normalize": true}`, 422, `"error_code":42205`},
		{"PUT", "/config/shop", `{"normalize": false}`, 200, `{"compatibility":"FULL_TRANSITIVE"}`},
		{"DELETE", "/config/shop", "", 404, `"error_code":40408`},
		{"PUT", "/config/shop", `{"compatibility": "NONE"}`, 200, `{"compatibility":"NONE"}`},
		{"GET", "/config/shop", "", 200, `{"compatibilityLevel":"NONE"}`},
		{"POST", "/subjects/shop/versions", body(t, numbered), 200, `{"id":3}`},
		{"PUT", "/config", `{"compatibility": "BACKWARD"}`, 200, `{"compatibility":"BACKWARD"}`},
		{"GET", "/config", "", 200, `"BACKWARD"`},
		{"DELETE", "/config/shop", "", 200, `"NONE"`},
		{"GET", "/config/shop", "", 404, `"error_code":40408`},
		{"PUT", "/config/shop", `{"compatibility": "FULL"}`, 200, `"FULL"`},
		{"DELETE", "/config", "", 200, `"BACKWARD"`},
		{"DELETE", "/config", "", 200, `"FULL_TRANSITIVE"`},
		{"PUT", "/subjects/shop", "", 405, `"error_code":405`},
		{"PATCH", "/config", "", 405, `"error_code":405`},
		{"GET", "/elsewhere", "", 404, `"error_code":404`},
	} {
		if status, text := ask(t, client, step.method, step.path, step.body); status != step.status || !strings.Contains(text, step.want) {
			t.Errorf("%s %s %s: %d %s, want %d with %s", step.method, step.path, step.body, status, text, step.status, step.want)
		}
	}
}

func TestRegistry_RefusesWhatIsNoSchema(t *testing.T) {
	t.Parallel()
	client := run(t, testkit.Broker(t))
	schema := func(text string) string { return body(t, api.Schema{Type: api.JSON, Text: text}) }
	for name, test := range map[string]struct{ body, want string }{
		"a request that is not JSON":   {`hello`, "not the JSON that belongs here"},
		"nothing":                      {``, "not the JSON that belongs here"},
		"no schema":                    {`{"schemaType": "JSON"}`, "there is none"},
		"another type of schema":       {`{"schemaType": "AVRO", "schema": "\"string\""}`, "schemaType must be JSON"},
		"no type, which means Avro":    {`{"schema": "{}"}`, "schemaType must be JSON"},
		"a schema that is not JSON":    {schema(`{"type": `), "not JSON"},
		"another dialect":              {schema(`{"$schema": "http://json-schema.org/draft-07/schema#"}`), "dialect"},
		"a type that there is not":     {schema(`{"type": "money"}`), "/type"},
		"one that leads to itself":     {schema(`{"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}`), "itself"},
		"a reference that nobody gave": {schema(`{"$ref": "common.v1.json#/$defs/Money"}`), "no reference is named"},
		"a reference to nothing":       {`{"schemaType": "JSON", "schema": "{}", "references": [{"name": "a", "subject": "b", "version": 1}]}`, "Subject 'b' not found"},
		"a member twice":               {`{"schemaType": "JSON", "schema": "{}", "schema": "true"}`, "two members with one name"},
		"a schema with one twice":      {schema(`{"type": "object", "type": "string"}`), "two members with one name"},
		"a megabyte":                   {schema(`{"description": "` + strings.Repeat("x", 1<<20) + `"}`), "the request has more than"},
		"what the broker would refuse": {schema(`{"description": "` + strings.Repeat("x", 60<<10) + `"}`), "as it would be kept"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, text := ask(t, client, http.MethodPost, "/subjects/shop/versions", test.body)
			if status != http.StatusUnprocessableEntity || !strings.Contains(text, `"error_code":42201`) || !strings.Contains(text, test.want) || len(text) > 1000 {
				t.Errorf("%d %.1000s, want a 42201 about %q", status, text, test.want)
			}
		})
	}
	t.Cleanup(func() {
		if subjects, err := client.Subjects(context.Background()); err == nil && len(subjects) > 0 {
			t.Errorf("there are %v now", subjects)
		}
	})
}

func TestRegistry_RefusesABodyOfAnotherCharset(t *testing.T) {
	t.Parallel()
	client := run(t, testkit.Broker(t))
	for _, test := range []struct {
		method, path string
		types        []string
		status       int
	}{
		{http.MethodPost, "/subjects/shop/versions", []string{api.MediaType + "; charset=latin1"}, 415},
		{http.MethodPost, "/subjects/shop/versions", []string{"application/json; charset=utf-8; charset=latin1"}, 415},
		{http.MethodPost, "/subjects/shop/versions", []string{api.MediaType, api.MediaType}, 400},
		{http.MethodPut, "/config", []string{api.MediaType + "; charset=latin1"}, 415},
	} {
		content := body(t, api.Schema{Type: api.JSON, Text: "{}"})
		request, err := http.NewRequestWithContext(t.Context(), test.method, client.URL+test.path, strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		request.Header["Content-Type"] = test.types
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var refused api.Error
		err = json.NewDecoder(response.Body).Decode(&refused)
		response.Body.Close()
		if err != nil || response.StatusCode != test.status || refused.Code != test.status {
			t.Errorf("%s %q: %d %+v, %v, want %d", test.path, test.types, response.StatusCode, refused, err, test.status)
		}
	}
	if subjects, err := client.Subjects(t.Context()); err != nil || len(subjects) > 0 {
		t.Errorf("there are %v now, %v", subjects, err)
	}
}

// What cannot be judged is not compatible, and the message contains that reason.
func TestRegistry_RefusesWhatCannotBeJudged(t *testing.T) {
	t.Parallel()
	client := run(t, testkit.Broker(t))
	code := func(pattern string) api.Schema {
		return object(`"code": {"type": "string", "pattern": "`+pattern+`"}`, "")
	}
	if _, err := client.Register(t.Context(), "shop", code("^[A-Z]{3}$")); err != nil {
		t.Fatal(err)
	}
	_, err := client.Register(t.Context(), "shop", code("^(?:[A-Z]){3}$"))
	if !api.IsCode(err, api.IncompatibleSchema) || !strings.Contains(err.Error(), "cannot judge") {
		t.Errorf("it says %v", err)
	}
}

// Two processes, thirty registrations at once: ids and versions are each given once, and none is lost.
func TestRegistry_ManyRegisterAtOnceAtTwoProcesses(t *testing.T) {
	t.Parallel()
	broker := testkit.Broker(t)
	clients := []api.Client{run(t, broker), run(t, broker)}
	const many = 30
	ids := make([]int, many)
	var wg sync.WaitGroup
	for n := range many {
		wg.Go(func() {
			// Fifteen schemas, each of them twice, at different processes.
			schema := object(fmt.Sprintf(`"field_%d": {"type": "string"}`, n/2), "")
			var err error
			if ids[n], err = clients[n%2].Register(t.Context(), "shop", schema); err != nil {
				t.Errorf("registration %d: %v", n, err)
			}
		})
	}
	wg.Wait()
	seen := map[int]int{}
	for n, id := range ids {
		if ids[n^1] != id {
			t.Errorf("one schema has the ids %d and %d", id, ids[n^1])
		}
		seen[id]++
	}
	if len(seen) != many/2 {
		t.Errorf("%d schemas have %d ids", many/2, len(seen))
	}
	for n := 1; n <= many/2; n++ {
		v, err := clients[0].Version(t.Context(), "shop", fmt.Sprint(n))
		if err != nil || seen[v.ID] != 2 {
			t.Errorf("version %d is %+v, %v", n, v, err)
		}
	}
	if _, err := clients[1].Version(t.Context(), "shop", fmt.Sprint(many/2+1)); !api.IsCode(err, api.NoVersion) {
		t.Errorf("there is a version too many, or %v", err)
	}
}

// Each is compatible with what there was, and not with each other: the store lets one of them through, and the
// other is judged again.
func TestRegistry_OfTwoThatContradictEachOtherOneIsRegistered(t *testing.T) {
	t.Parallel()
	broker := testkit.Broker(t)
	clients := []api.Client{run(t, broker), run(t, broker)}
	for round := range 10 {
		subject := fmt.Sprintf("shop-%d", round)
		answers := make([]error, 2)
		var wg sync.WaitGroup
		for n, schema := range []api.Schema{named, numbered} {
			wg.Go(func() { _, answers[n] = clients[n].Register(t.Context(), subject, schema) })
		}
		wg.Wait()
		refused := slices.IndexFunc(answers, func(err error) bool { return err != nil })
		if refused < 0 || answers[1-refused] != nil || !api.IsCode(answers[refused], api.IncompatibleSchema) {
			t.Fatalf("round %d: answered %v", round, answers)
		}
	}
}

// A process keeps nothing: another one goes on where it was, and what the broker lost is registered again.
func TestRegistry_KeepsNothingInTheProcess(t *testing.T) {
	t.Parallel()
	broker := testkit.OwnBroker(t)
	first := run(t, broker)
	for _, service := range events.Services {
		if err := first.RegisterPublications(t.Context(), service); err != nil {
			t.Fatal(err)
		}
	}
	subjects, err := run(t, broker).Subjects(t.Context())
	if err != nil || !slices.Contains(subjects, "saga.order.OrderCreated.v2") || !slices.Contains(subjects, api.Shared) {
		t.Errorf("another process knows %v, %v", subjects, err)
	}
	// Again is no new version.
	for _, service := range events.Services {
		if err := first.RegisterPublications(t.Context(), service); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := first.Version(t.Context(), "saga.order.OrderCreated.v1", "latest"); err != nil || v.Version != 1 || len(v.References) != 1 {
		t.Errorf("the latest version is %+v, %v", v, err)
	}
	broker.Stop(t)
	if _, err := first.Subjects(t.Context()); !api.IsCode(err, api.StorageUnavailable) {
		t.Errorf("without a broker it says %v", err)
	}
	broker.Wipe(t)
	broker.Start(t)
	broker.Provision(t)
	testkit.Eventually(t, within, "everything to be registered again", func() bool {
		return first.RegisterPublications(t.Context(), events.Order) == nil
	})
}

// Until 0.1.0 the schemas had addresses as $id and in $ref. What a service of that release has registered is an earlier
// version of what is registered now, and it may start beside the newer ones.
func TestRegistry_TakesTheSchemasOfAnEarlierReleaseBesideTheNewOnes(t *testing.T) {
	t.Parallel()
	client := run(t, testkit.Broker(t))
	older := func(file, id string) api.Schema {
		text, err := events.Schemas.ReadFile("schemas/" + file)
		if err != nil {
			t.Fatal(err)
		}
		addresses := strings.NewReplacer(`"$id": "`+file+`"`, `"$id": "`+id+`"`, "common.v1.json#", "/schemas/common/v1#")
		return api.Schema{Type: api.JSON, Text: addresses.Replace(string(text))}
	}
	shared, event := older("common.v1.json", "/schemas/common/v1"), older("OrderCreated.v1.json", "/schemas/OrderCreated/v1")
	event.References = []api.Reference{{Name: "/schemas/common/v1", Subject: api.Shared, Version: 1}}
	start := func() (ids [2]int) {
		for i, subject := range []string{api.Shared, "saga.order.OrderCreated.v1"} {
			var err error
			if ids[i], err = client.Register(t.Context(), subject, []api.Schema{shared, event}[i]); err != nil {
				t.Fatalf("%s: %v", subject, err)
			}
		}
		return ids
	}
	before := start()
	if err := client.RegisterPublications(t.Context(), events.Order); err != nil {
		t.Fatal(err)
	}
	if after := start(); after != before {
		t.Errorf("the older service's schemas had the ids %v and have %v", before, after)
	}
	latest, err := client.Version(t.Context(), "saga.order.OrderCreated.v1", "latest")
	if err != nil || latest.Version != 2 || latest.References[0].Name != "common.v1.json" || latest.References[0].Version != 2 {
		t.Errorf("the latest version is %+v, %v", latest, err)
	}
}

// A refusal names the field, what would break, and who reads the event.
func TestRegistry_ARefusalNamesTheFieldAndItsReaders(t *testing.T) {
	t.Parallel()
	client := run(t, testkit.Broker(t))
	typ := events.PaymentProcessed{}.Type()
	earlier := api.Schema{Type: api.JSON, Text: `{"type": "object", "properties": {"charge_id": {"type": "integer"}}, "required": ["charge_id"]}`}
	if _, err := client.Register(t.Context(), api.Subject(typ), earlier); err != nil {
		t.Fatal(err)
	}
	err := client.RegisterPublications(t.Context(), events.Payment)
	for _, want := range []string{"saga.payment.PaymentProcessed.v1", "/charge_id", "version 1", "it is read by shipping (", "ship_to.country"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("it says %v, want %q in it", err, want)
		}
	}
	if bytes.ContainsRune([]byte(fmt.Sprint(err)), '\n') {
		t.Error("it is more than a line")
	}
}
