package registry_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"example.com/ordersaga/internal/schemaregistry"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/testkit"
)

// refusedAs is whether the client understands the refusal.
func refusedAs(err error, code int) bool {
	var refused *sr.ResponseError
	return errors.As(err, &refused) && refused.ErrorCode == code
}

// franz runs a registry with the order service's schemas, and is franz-go's client of it.
func franz(t *testing.T) *sr.Client {
	t.Helper()
	ours := run(t, testkit.Broker(t))
	if err := ours.RegisterPublications(t.Context(), events.Order); err != nil {
		t.Fatal(err)
	}
	client, err := sr.NewClient(sr.URLs(ours.URL))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

const created = "saga.order.OrderCreated.v1"

// A client that knows nothing of us finds its way among the schemas.
func TestFranz_ReadsWhatIsRegistered(t *testing.T) {
	t.Parallel()
	client := franz(t)
	subjects, err := client.Subjects(sr.WithParams(t.Context(), sr.SubjectPrefix("saga.order.OrderCreated.")))
	if want := []string{created, "saga.order.OrderCreated.v2"}; err != nil || !slices.Equal(subjects, want) {
		t.Errorf("the subjects are %v, %v", subjects, err)
	}
	latest, err := client.SchemaByVersion(t.Context(), created, -1)
	if err != nil || latest.Version != 1 || len(latest.References) != 1 {
		t.Fatalf("the latest version is %+v, %v", latest, err)
	}
	for what, text := range map[string]func() (string, error){
		"by id":      func() (string, error) { return client.SchemaTextByID(t.Context(), latest.ID) },
		"by version": func() (string, error) { return client.SchemaTextByVersion(t.Context(), created, 1) },
	} {
		if got, err := text(); err != nil || got != latest.Schema.Schema {
			t.Errorf("the text %s is %.50q, %v", what, got, err)
		}
	}
	if usages, err := client.SchemaUsagesByID(t.Context(), latest.ID); err != nil || len(usages) != 1 || usages[0].Subject != created {
		t.Errorf("it is used by %v, %v", usages, err)
	}
	if names, err := client.SubjectsByID(t.Context(), latest.ID); err != nil || !slices.Equal(names, []string{created}) {
		t.Errorf("its subjects are %v, %v", names, err)
	}
	if referring, err := client.SchemaReferences(t.Context(), schemaregistry.Shared, 1); err != nil || len(referring) < 3 {
		t.Errorf("%d schemas refer to %s, %v", len(referring), schemaregistry.Shared, err)
	}
	if all, err := client.AllSchemas(t.Context()); err != nil || len(all) < 5 {
		t.Errorf("%d schemas are listed, %v", len(all), err)
	}
	if contexts, err := client.Contexts(t.Context()); err != nil || !slices.Equal(contexts, []string{"."}) {
		t.Errorf("the contexts are %v, %v", contexts, err)
	}
	if types, err := client.SupportedTypes(t.Context()); err != nil || !slices.Equal(types, []sr.SchemaType{sr.TypeJSON}) {
		t.Errorf("the types are %v, %v", types, err)
	}
}

func TestFranz_RegistersChecksAndDeletes(t *testing.T) {
	t.Parallel()
	client := franz(t)
	first := sr.Schema{Type: sr.TypeJSON, Schema: named.Text}
	for _, version := range []int{-1, -2} {
		if answer, err := client.CheckCompatibility(t.Context(), "shop", version, first); err != nil || !answer.Is {
			t.Errorf("the first schema of a subject is judged %+v, %v", answer, err)
		}
	}
	made, err := client.CreateSchema(t.Context(), "shop", first)
	if err != nil || made.Version != 1 || made.Subject != "shop" {
		t.Fatalf("registered as %+v, %v", made, err)
	}
	if found, err := client.LookupSchema(t.Context(), "shop", first); err != nil || found.ID != made.ID {
		t.Errorf("found as %+v, %v", found, err)
	}
	other := sr.Schema{Type: sr.TypeJSON, Schema: numbered.Text}
	answer, err := client.CheckCompatibility(sr.WithParams(t.Context(), sr.Verbose), "shop", -2, other)
	if err != nil || answer.Is || len(answer.Messages) == 0 {
		t.Errorf("an incompatible schema is judged %+v, %v", answer, err)
	}
	if _, err := client.CreateSchema(t.Context(), "shop", other); !refusedAs(err, schemaregistry.IncompatibleSchema) {
		t.Errorf("an incompatible schema: %v", err)
	}
	first.SchemaMetadata = &sr.SchemaMetadata{Properties: map[string]string{"owner": "shop"}}
	if _, err := client.CreateSchema(t.Context(), "shop", first); !errors.Is(err, sr.ErrInvalidRuleset) && !refusedAs(err, schemaregistry.InvalidRules) {
		t.Errorf("metadata: %v", err)
	}
	deletes(t, client)
}

// deletes deletes what was registered, and is refused what others refer to.
func deletes(t *testing.T, client *sr.Client) {
	t.Helper()
	if _, err := client.DeleteSubject(t.Context(), schemaregistry.Shared, sr.SoftDelete); !refusedAs(err, schemaregistry.ReferenceExists) {
		t.Errorf("a subject that others refer to: %v", err)
	}
	if err := client.DeleteSchema(t.Context(), "shop", 1, sr.HardDelete); !refusedAs(err, schemaregistry.VersionNotDeleted) {
		t.Errorf("a version that was not deleted first: %v", err)
	}
	for _, how := range []sr.DeleteHow{sr.SoftDelete, sr.HardDelete} {
		if versions, err := client.DeleteSubject(t.Context(), "shop", how); err != nil || !slices.Equal(versions, []int{1}) {
			t.Errorf("deleted, permanently: %v: %v, %v", how, versions, err)
		}
	}
	if _, err := client.SubjectVersions(sr.WithParams(t.Context(), sr.ShowDeleted), "shop"); !refusedAs(err, schemaregistry.NoSubject) {
		t.Errorf("a subject that is gone: %v", err)
	}
}

func TestFranz_SetsTheModes(t *testing.T) {
	t.Parallel()
	client := franz(t)
	level := func(ctx context.Context) sr.CompatibilityResult { return client.Compatibility(ctx, created)[0] }
	if got := level(t.Context()); !refusedAs(got.Err, schemaregistry.NoSubjectConfig) {
		t.Errorf("without a mode of its own: %v, %v", got.Level, got.Err)
	}
	if got := client.SetCompatibility(t.Context(), sr.SetCompatibility{Level: sr.CompatBackward}, created)[0]; got.Err != nil {
		t.Error(got.Err)
	}
	if got := level(t.Context()); got.Err != nil || got.Level != sr.CompatBackward {
		t.Errorf("it was set to %v, %v", got.Level, got.Err)
	}
	if got := client.ResetCompatibility(t.Context(), created)[0]; got.Err != nil || got.Level != sr.CompatBackward {
		t.Errorf("reset from %v, %v", got.Level, got.Err)
	}
	if got := level(sr.WithParams(t.Context(), sr.DefaultToGlobal)); got.Err != nil || got.Level != sr.CompatFullTransitive {
		t.Errorf("after the reset: %v, %v", got.Level, got.Err)
	}
	if got := client.SetCompatibility(t.Context(), sr.SetCompatibility{Level: sr.CompatFull, Normalize: true}, created)[0]; !refusedAs(got.Err, schemaregistry.NotPermitted) {
		t.Errorf("a setting that there is not here: %v", got.Err)
	}
	if got := client.Mode(t.Context())[0]; got.Err != nil || got.Mode != sr.ModeReadWrite {
		t.Errorf("the registry is in %v, %v", got.Mode, got.Err)
	}
	if got := client.SetMode(t.Context(), sr.ModeReadOnly)[0]; !refusedAs(got.Err, schemaregistry.NotPermitted) {
		t.Errorf("read-only: %v", got.Err)
	}
}
