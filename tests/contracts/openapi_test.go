package contracts

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	gateway "example.com/ordersaga/contracts/gateway/api"
	"example.com/ordersaga/pkg/events"
	inventory "example.com/ordersaga/services/inventory/api"
	notification "example.com/ordersaga/services/notification/api"
	order "example.com/ordersaga/services/order/api"
	payment "example.com/ordersaga/services/payment/api"
	shipping "example.com/ordersaga/services/shipping/api"
)

// openAPIs are the HTTP contracts, and the routes that are generated from each.
var openAPIs = map[string]struct {
	file   string
	routes func(chi.Router) http.Handler
}{
	"order":     {"../../services/order/api/openapi.yaml", func(r chi.Router) http.Handler { return order.HandlerFromMux(order.Unimplemented{}, r) }},
	"inventory": {"../../services/inventory/api/openapi.yaml", func(r chi.Router) http.Handler { return inventory.HandlerFromMux(inventory.Unimplemented{}, r) }},
	"payment":   {"../../services/payment/api/openapi.yaml", func(r chi.Router) http.Handler { return payment.HandlerFromMux(payment.Unimplemented{}, r) }},
	"shipping":  {"../../services/shipping/api/openapi.yaml", func(r chi.Router) http.Handler { return shipping.HandlerFromMux(shipping.Unimplemented{}, r) }},
	"notification": {"../../services/notification/api/openapi.yaml", func(r chi.Router) http.Handler {
		return notification.HandlerFromMux(notification.Unimplemented{}, r)
	}},
	"gateway": {"../../contracts/gateway/api/openapi.yaml", func(r chi.Router) http.Handler { return gateway.HandlerFromMux(gateway.Unimplemented{}, r) }},
}

// object is a JSON object.
type object = map[string]any

// contract is an OpenAPI document as JSON sees it.
func contract(t *testing.T, name string) object {
	t.Helper()
	content, err := os.ReadFile(openAPIs[name].file)
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := yaml.Unmarshal(content, &document); err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := jsonschema.UnmarshalJSON(strings.NewReader(string(encoded)))
	if err != nil {
		t.Fatal(err)
	}
	return decoded.(object)
}

// each runs a test for every contract.
func each(t *testing.T, test func(t *testing.T, name string, document object)) {
	t.Helper()
	for name := range openAPIs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, name, contract(t, name))
		})
	}
}

// walk visits every object of a document, with the JSON pointer to it.
func walk(node any, pointer string, visit func(pointer string, node object)) {
	switch node := node.(type) {
	case object:
		visit(pointer, node)
		for _, key := range slices.Sorted(maps.Keys(node)) {
			walk(node[key], pointer+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(key), visit)
		}
	case []any:
		for i, item := range node {
			walk(item, pointer+"/"+strconv.Itoa(i), visit)
		}
	}
}

func TestOpenAPI_EveryBodyHasAValidExample(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, name string, document object) {
		t.Helper()
		compiler := jsonschema.NewCompiler()
		compiler.DefaultDraft(jsonschema.Draft2020) // the dialect of OpenAPI 3.1
		compiler.AssertFormat()
		if err := compiler.AddResource("schema:///contracts/"+name, document); err != nil {
			t.Fatal(err)
		}
		checked := 0
		walk(document, "", func(pointer string, node object) {
			schema := pointer
			if _, has := node["schema"].(object); has {
				schema = pointer + "/schema"
			}
			found := examples(node)
			if filepath.Base(filepath.Dir(pointer)) == "content" && len(found) == 0 {
				t.Errorf("%s has no example", pointer)
			}
			for at, example := range found {
				checked++
				if err := compile(t, compiler, "contracts/"+name+"#"+schema).Validate(example); err != nil {
					t.Errorf("%s%s: %v", pointer, at, err)
				}
			}
		})
		if checked == 0 {
			t.Error("no example was checked")
		}
	})
}

// examples are those beside a schema or in it, by where they stand.
func examples(node object) object {
	found := object{}
	_, beside := node["schema"]
	_, typed := node["type"].(string)
	if example, has := node["example"]; has && (beside || typed) {
		found["/example"] = example
	}
	several, _ := node["examples"].(object)
	for name, example := range several {
		found["/examples/"+name] = example.(object)["value"]
	}
	return found
}

// outcomes are answers with an error's status that are none: the gateway keeps them under their key like a success.
var outcomes = map[string][]string{"gateway": {"createCharge 402", "createRefund 402"}}

func TestOpenAPI_EveryErrorIsAProblemDocument(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, name string, document object) {
		t.Helper()
		for id, operation := range operations(document) {
			responses := operation.body["responses"].(object)
			if responses["default"] == nil {
				t.Errorf("%s does not say what its other errors look like", id)
			}
			for status, response := range responses {
				if status[0] != '4' && status[0] != '5' && status != "default" || slices.Contains(outcomes[name], id+" "+status) {
					continue
				}
				content, _ := resolve(document, response.(object))["content"].(object)
				if types := slices.Collect(maps.Keys(content)); !slices.Equal(types, []string{"application/problem+json"}) {
					t.Errorf("%s answers %s with %v", id, status, types)
				}
			}
		}
	})
}

// resolve follows a reference inside a document.
func resolve(document, node object) object {
	reference, is := node["$ref"].(string)
	if !is {
		return node
	}
	var at any = document
	for key := range strings.SplitSeq(strings.TrimPrefix(reference, "#/"), "/") {
		at = at.(object)[key]
	}
	return at.(object)
}

// operation is one method of one path.
type operation struct {
	route string
	body  object
}

// operations are those of a document, by their id.
func operations(document object) map[string]operation {
	found := map[string]operation{}
	for path, item := range document["paths"].(object) {
		for method, body := range item.(object) {
			if body, is := body.(object); is && body["operationId"] != nil {
				found[body["operationId"].(string)] = operation{strings.ToUpper(method) + " " + path, body}
			}
		}
	}
	return found
}

func TestOpenAPI_TheRoutesAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, name string, document object) {
		t.Helper()
		var want, got []string
		for _, operation := range operations(document) {
			want = append(want, operation.route)
		}
		router := chi.NewRouter()
		openAPIs[name].routes(router)
		err := chi.Walk(router, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
			got = append(got, method+" "+route)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		same(t, name, want, got)
	})
}

// promise is a bound on something that is measured.
type promise struct {
	Operation, Measure, While string
	AtMost                    *float64 `json:"at_most"`
	AtLeast                   *float64 `json:"at_least"`
}

// unwritten is what a contract states beyond its paths.
type unwritten struct {
	Quality  []promise `json:"x-quality"`
	Requires struct {
		Events         []string
		Operations     []struct{ Of, Operation, Without string }
		Infrastructure []struct{ What, Without string }
	} `json:"x-requires"`
}

func TestOpenAPI_StatesQualityAndRequirements(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, name string, document object) {
		t.Helper()
		found := unwrittenOf(t, document)
		if len(found.Quality) == 0 || len(found.Requires.Infrastructure) == 0 {
			t.Error("it lacks its quality or what it needs")
		}
		own := operations(document)
		for _, promise := range found.Quality {
			if _, exists := own[promise.Operation]; !exists || promise.Measure == "" || promise.While == "" || (promise.AtMost == nil) == (promise.AtLeast == nil) {
				t.Errorf("%+v is not a promise about an operation, with one bound", promise)
			}
		}
		var consumed []string
		for _, typ := range events.Subscriptions[events.Service(name)] {
			consumed = append(consumed, typ.String())
		}
		same(t, name+" consumes", found.Requires.Events, consumed)
		for _, needs := range found.Requires.Operations {
			if _, exists := operations(contract(t, needs.Of))[needs.Operation]; !exists || needs.Without == "" {
				t.Errorf("it needs %s of %s, which that contract does not have, or lacks what happens without", needs.Operation, needs.Of)
			}
		}
	})
}

func unwrittenOf(t *testing.T, document object) (found unwritten) {
	t.Helper()
	encoded, err := json.Marshal(document["info"])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(encoded, &found); err != nil {
		t.Fatal(err)
	}
	return found
}
