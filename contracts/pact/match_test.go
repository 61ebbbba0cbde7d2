package pact_test

import (
	"strings"
	"testing"

	"example.com/ordersaga/contracts/pact"
)

func TestMatch_NamesWhatDoesNotMatch(t *testing.T) {
	t.Parallel()
	content := `{"id":"a","status":"succeeded","amount":1999,"lines":[{"sku":"widget"}]}`
	read, err := pact.Decode([]byte(content))
	if err != nil {
		t.Fatal(err)
	}
	body, rules := pact.Body{Content: []byte(content)}, pact.Like(read, "$.status")
	for what, c := range map[string]struct{ actual, wrong string }{
		"the same":                        {content, ""},
		"other values of the same types":  {`{"id":"b","status":"succeeded","amount":1,"lines":[{"sku":"x"},{"sku":"y"}]}`, ""},
		"more than is read":               {`{"id":"b","status":"succeeded","amount":1,"lines":[{"sku":"x","n":1}],"more":true}`, ""},
		"another value where it matters":  {strings.Replace(content, "succeeded", "failed", 1), "/status: value must be 'succeeded'"},
		"another type":                    {strings.Replace(content, "1999", `"1999"`, 1), "/amount: it is string, must be integer"},
		"a fraction instead of a integer": {strings.Replace(content, "1999", `19.99`, 1), "/amount: it is number, must be integer"},
		"null":                            {strings.Replace(content, `"a"`, `null`, 1), "/id: it is null, must be string"},
		"nothing":                         {strings.Replace(content, `"id":"a",`, ``, 1), "/id: it is required, and missing"},
		"nothing in one of many":          {strings.Replace(content, `{"sku":"widget"}`, `{"sku":"widget"},{}`, 1), "/lines/1/sku: it is required, and missing"},
		"an empty list":                   {strings.Replace(content, `{"sku":"widget"}`, ``, 1), "/lines: it must have at least 1 items"},
		"an object instead of a list":     {strings.Replace(content, `[{"sku":"widget"}]`, `{}`, 1), "/lines: it is object, must be array"},
		"a list instead of an object":     {`[]`, "the document: it is array, must be object"},
		"no JSON":                         {`{`, "it is not JSON: unexpected EOF"},
	} {
		if got := strings.Join(body.Match(rules, []byte(c.actual)), "; "); got != c.wrong {
			t.Errorf("%s: %q, want %q", what, got, c.wrong)
		}
	}
}
