package service

import (
	"fmt"
	"log/slog"
	"strconv"

	"example.com/ordersaga/internal/httpserver"
	"example.com/ordersaga/pkg/events"
)

// Config is a service's configuration. [FromEnv] reads it in one place.
type Config struct {
	Service events.Service
	// DatabaseURL is the service's own login: it may work with rows, but owns no table.
	DatabaseURL string
	// MigrationsURL is the login that owns the tables.
	MigrationsURL string
	Pooled        bool   // whether DatabaseURL leads through a pooler in transaction mode
	NATSURL       string // with the service's user and password
	RegistryURL   string // of the schema registry; empty: schemas are not registered
	Addr          string // of the public API
	GRPCAddr      string // of the same over gRPC, where a service has that; empty: there is none
	AdminAddr     string // of the admin listener; empty: there is none
	AdminToken    string // the bearer token that the admin listener asks for
	FaultsEnabled bool   // whether faults may be armed in this process
	Faults        string // what is armed at start; see package fault
	LogLevel      slog.Level
}

// FromEnv reads a service's configuration. Every setting has a default that runs on one machine.
func FromEnv(service events.Service, getenv func(string) string) (Config, error) {
	env := func(key, fallback string) string { return httpserver.Env(getenv, key, fallback) }
	c := Config{
		Service:     service,
		DatabaseURL: env("DATABASE_URL", fmt.Sprintf("postgres://%s@127.0.0.1:5432/%s", service, service)),
		NATSURL:     env("NATS_URL", fmt.Sprintf("nats://%s@127.0.0.1:4222", service)),
		RegistryURL: env("SCHEMA_REGISTRY_URL", ""),
		Addr:        env("HTTP_ADDR", "127.0.0.1:0"),
		GRPCAddr:    env("GRPC_ADDR", ""),
		AdminAddr:   env("ADMIN_ADDR", ""),
		AdminToken:  env("ADMIN_TOKEN", ""),
		Faults:      env("FAULTS", ""),
	}
	c.MigrationsURL = env("MIGRATIONS_URL", c.DatabaseURL)
	pooler := env("DATABASE_POOLER", "none")
	if c.Pooled = pooler == "transaction"; !c.Pooled && pooler != "none" {
		return c, fmt.Errorf("DATABASE_POOLER must be transaction or none, not %q", pooler)
	}
	var err error
	if c.FaultsEnabled, err = strconv.ParseBool(env("FAULTS_ENABLED", "false")); err != nil {
		return c, fmt.Errorf("FAULTS_ENABLED must be true or false: %w", err)
	}
	if err := c.LogLevel.UnmarshalText([]byte(env("LOG_LEVEL", "INFO"))); err != nil {
		return c, fmt.Errorf("LOG_LEVEL must be DEBUG, INFO, WARN or ERROR: %w", err)
	}
	if c.AdminAddr != "" && c.AdminToken == "" {
		return c, fmt.Errorf("ADMIN_ADDR needs an ADMIN_TOKEN")
	}
	if c.Faults != "" && !c.FaultsEnabled {
		return c, fmt.Errorf("FAULTS needs FAULTS_ENABLED=true")
	}
	return c, nil
}
