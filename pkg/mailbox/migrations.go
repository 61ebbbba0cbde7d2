package mailbox

import (
	"embed"
	"io/fs"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the tables of the mailbox: inbox, outbox, dead_letter, incident, broker. They belong
// into the service's own database, since one transaction has to reach them and the service's tables;
// their versions are counted in a goose table of their own, goose_mailbox.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the directory is compiled in
	}
	return sub
}
