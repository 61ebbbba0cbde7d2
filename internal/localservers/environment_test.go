package localservers_test

import (
	"os"
	"testing"

	"example.com/ordersaga/internal/localservers"
)

func TestIgnoreLibpqVariables_ButNotOurs(t *testing.T) { // not parallel: the environment is the process's
	gone := []string{"PGSERVICE", "PGHOST", "PGPORT", "PGOPTIONS", "PGSSLMODE", "PGTARGETSESSIONATTRS", "PGDATA", "PGSERVICEFILE", "PGPASSFILE", "PGSSLROOTCERT", "PGAPPNAME"}
	for _, name := range gone {
		t.Setenv(name, "elsewhere")
	}
	t.Setenv("PG_BINDIR", "/usr/lib/postgresql")
	t.Setenv("MYPGHOST", "mine")
	localservers.IgnoreLibpqVariables()
	for _, name := range gone {
		if value, set := os.LookupEnv(name); set {
			t.Errorf("%s is still %q", name, value)
		}
	}
	if os.Getenv("PG_BINDIR") == "" || os.Getenv("MYPGHOST") == "" {
		t.Error("a variable of ours is gone")
	}
}
