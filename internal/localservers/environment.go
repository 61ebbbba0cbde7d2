package localservers

import (
	"os"
	"regexp"
	"strings"
)

// libpq are the variables in which a shell keeps how to reach some other database: PGHOST, PGSERVICE, PGOPTIONS, …
// (https://www.postgresql.org/docs/current/libpq-envars.html). PG_BINDIR is none of them.
var libpq = regexp.MustCompile(`^PG[A-Z]+$`)

// IgnoreLibpqVariables unsets them in this process, whose connections name all that matters. The client would mix them
// in: with a PGSERVICE that is not described on this machine it connects to nothing.
func IgnoreLibpqVariables() {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); libpq.MatchString(name) {
			_ = os.Unsetenv(name) // fails for a name that cannot be set
		}
	}
}
