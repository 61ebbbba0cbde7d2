package localservers

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"example.com/ordersaga/pkg/events"
)

// RolesSQL is the script that gives a service's database its owner, its login and its limits, with
// psql variables. It stands once, here; deployments run the same text.
//
//go:embed roles.sql
var RolesSQL string

// Audit is the login that may read every service's database and change none.
const Audit = "audit"

// Owner is the login that owns a service's tables and runs its migrations.
func Owner(service events.Service) string { return string(service) + "_owner" }

// Passwords are those of the three logins of a database. Logins belong to the server, so the same ones
// have to be given for every database of a service on one server, and the same Audit for all.
type Passwords struct {
	Service, Owner, Audit string
}

// Database is where to reach a service's database, by login.
type Database struct {
	URL      string // the service's own login
	OwnerURL string // runs migrations
	AuditURL string // reads
}

// CreateDatabase makes the database of a service, named as the service, and its logins. It may be called
// again, and by several at once. The admin is a superuser's URL of any database on the server.
func CreateDatabase(ctx context.Context, adminURL string, service events.Service, p Passwords) (Database, error) {
	return CreateDatabaseAs(ctx, adminURL, string(service), "template1", service, p)
}

// CreateDatabaseAs is [CreateDatabase] with a name of its own and a template to copy.
func CreateDatabaseAs(ctx context.Context, adminURL, name, template string, service events.Service,
	p Passwords) (Database, error) {
	create := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize() + " TEMPLATE " + pgx.Identifier{template}.Sanitize()
	err := execute(ctx, adminURL, create)
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) && (pg.Code == duplicateDatabase || pg.Code == uniqueViolation) {
		err = nil
	}
	if err != nil {
		return Database{}, fmt.Errorf("create the database %s: %w", name, err)
	}
	inside, err := withDatabase(adminURL, name, "", "")
	if err != nil {
		return Database{}, err
	}
	if err := execute(ctx, inside, rolesFor(service, p)); err != nil {
		return Database{}, fmt.Errorf("give the database %s its logins: %w", name, err)
	}
	return locate(adminURL, name, service, p)
}

// Two creators at once: the slower one meets one of these, depending on how close they were.
const (
	duplicateDatabase = "42P04"
	uniqueViolation   = "23505"
)

func locate(adminURL, name string, service events.Service, p Passwords) (Database, error) {
	own, err := withDatabase(adminURL, name, string(service), p.Service)
	owner, ownerErr := withDatabase(adminURL, name, Owner(service), p.Owner)
	audit, auditErr := withDatabase(adminURL, name, Audit, p.Audit)
	return Database{own, owner, audit}, errors.Join(err, ownerErr, auditErr)
}

// rolesFor replaces the script's psql variables as psql would.
func rolesFor(service events.Service, p Passwords) string {
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	return strings.NewReplacer(
		":'service'", quote(string(service)),
		":'service_password'", quote(p.Service),
		":'owner_password'", quote(p.Owner),
		":'audit_password'", quote(p.Audit),
	).Replace(RolesSQL)
}

// withDatabase is the same server's URL for another database and, when a user is given, another login.
func withDatabase(base, name, user, password string) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return "", errors.New("the database URL is not of the form postgres://user:password@host:port/database")
	}
	u.Path = "/" + name
	if user != "" {
		u.User = url.UserPassword(user, password)
	}
	return u.String(), nil
}

func execute(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}
