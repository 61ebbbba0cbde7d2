package postgres

import (
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// oldest is the oldest PostgreSQL that the system is tested with.
const oldest = 15

// newEnough runs for every new connection, since a failover may lead to another server. It asks nothing: the server has
// sent its version, "15.18 (Debian 15.18-0+deb12u1)".
func newEnough(conn *pgconn.PgConn) error {
	major, text := 0, conn.ParameterStatus("server_version")
	if _, err := fmt.Sscanf(text, "%d", &major); err == nil && major < oldest {
		return Refusal(fmt.Sprintf("the database server is PostgreSQL %s, and %d or newer is needed", text, oldest))
	}
	return nil
}
