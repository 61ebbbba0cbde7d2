package service

import "github.com/jackc/pgx/v5"

// PlanByKey has the statements of a connection look rows up by their keys, which all of ours can. A plan that was made
// while a table was small reads all of it, is kept, and reads all of it when it is large. Before Postgres 18 what is
// switched off costs 10¹⁰ where there is no other way: enough to be compiled, with 80 MB of memory for a connection.
func PlanByKey(config *pgx.ConnConfig) {
	for _, setting := range []string{"enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit"} {
		config.RuntimeParams[setting] = "off"
	}
}
