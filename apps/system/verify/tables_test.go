package verify_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/apps/system/verify"
	"example.com/ordersaga/pkg/events"
)

const tablesPage = "../../../docs/reference/verify.md"

// TestVerify_ReadsTheColumnsOfThePage gives the login audit the columns of the page, and no others. WRITE_TABLES=1 writes
// the page anew, which takes minutes: it takes one column after the other away, and those are on it without which
// nothing can be checked.
func TestVerify_ReadsTheColumnsOfThePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newHealthy(t), true)
	if os.Getenv("WRITE_TABLES") != "" {
		if err := os.WriteFile(tablesPage, []byte(w.page()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(tablesPage)
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range events.Consumers {
		w.exec(service, `REVOKE SELECT ON ALL TABLES IN SCHEMA public FROM audit`)
		_, part, _ := strings.Cut(string(text), "\n## "+string(service)+"\n")
		part, _, _ = strings.Cut(part, "\n## ")
		for line := range strings.Lines(part) {
			names := inTicks.FindAllStringSubmatch(line, -1)
			for _, column := range names[min(1, len(names)):] {
				w.exec(service, fmt.Sprintf(`GRANT SELECT (%s) ON %s TO audit`, column[1], names[0][1]))
			}
		}
	}
	w.mustCheck()
}

var inTicks = regexp.MustCompile("`([a-z_]+)`")

// page is docs/reference/verify.md.
func (w *world) page() string {
	w.t.Helper()
	var page strings.Builder
	page.WriteString(`# What verify reads of a service

` + "`sagactl verify`" + ` reads the database of each service with the login ` + "`audit`" + `: these tables, views and columns, and nothing else. A program that
[takes the place of a service](conformance.md) offers them under these names, with values that mean the same. A service here keeps more than that.
` + "`TestVerify_ReadsTheColumnsOfThePage`" + ` gives the login no other columns.
`)
	for _, service := range events.Consumers {
		fmt.Fprintf(&page, "\n## %s\n\n| Table or view | Columns |\n|---|---|\n", service)
		for _, table := range w.tables(service) {
			if columns := w.needed(service, table); len(columns) > 0 {
				fmt.Fprintf(&page, "| `%s` | %s |\n", table.Name, strings.Join(columns, ", "))
			}
		}
	}
	return page.String()
}

// table is one of a service's, with its columns and their types.
type table struct {
	Name           string
	Columns, Types []string
}

// tables are all of a service's. From now on audit has a right to each column, and not to the tables.
func (w *world) tables(service events.Service) []table {
	w.t.Helper()
	w.exec(service, `REVOKE SELECT ON ALL TABLES IN SCHEMA public FROM audit`)
	rows, err := w.owners[service].Query(w.t.Context(), `
		SELECT c.relname::text, array_agg(a.attname::text ORDER BY attnum),
		       array_agg(format_type(atttypid, NULL) ORDER BY attnum)
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped
		WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') GROUP BY c.oid, relname ORDER BY relname`)
	if err != nil {
		w.t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[table])
	if err != nil || len(all) == 0 {
		w.t.Fatalf("%s has the tables %v: %v", service, all, err)
	}
	for _, each := range all {
		w.exec(service, fmt.Sprintf(`GRANT SELECT (%s) ON %s TO audit`, strings.Join(each.Columns, ", "), each.Name))
	}
	w.mustCheck()
	return all
}

// needed are the columns without which verify cannot look, with their types.
func (w *world) needed(service events.Service, of table) (columns []string) {
	w.t.Helper()
	all := strings.Join(of.Columns, ", ")
	if w.checksWithout(service, of.Name, all) {
		return nil
	}
	for i, column := range of.Columns {
		if !w.checksWithout(service, of.Name, column) {
			columns = append(columns, fmt.Sprintf("`%s` %s", column, of.Types[i]))
		}
	}
	return columns
}

// checksWithout reports whether verify can look when audit may not read these columns.
func (w *world) checksWithout(service events.Service, name, columns string) bool {
	w.t.Helper()
	w.exec(service, fmt.Sprintf(`REVOKE SELECT (%s) ON %s FROM audit`, columns, name))
	_, err := w.check()
	w.exec(service, fmt.Sprintf(`GRANT SELECT (%s) ON %s TO audit`, columns, name))
	if err != nil && !strings.Contains(err.Error(), "permission denied") {
		w.t.Fatalf("without %s of %s: %v", columns, name, err)
	}
	return err == nil
}

func (w *world) mustCheck() {
	w.t.Helper()
	if report, err := w.check(); err != nil || !report.Holds {
		w.t.Fatalf("with all columns it finds %+v, %v", report, err)
	}
}

// check asks for everything that can be asked.
func (w *world) check() (verify.Report, error) {
	w.t.Helper()
	if lately, err := verify.Check(w.t.Context(), w.system, verify.Options{Since: time.Hour}); err != nil {
		return lately, err
	}
	return verify.Check(w.t.Context(), w.system, verify.Options{AtRest: true, AtMost: 100,
		Acknowledged: []verify.Acknowledged{{OrderID: sold, Key: "key-" + sold, Body: []byte(`{"id":"` + sold + `"}`)}}})
}
