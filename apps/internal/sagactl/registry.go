package sagactl

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/contracts/registry"
)

// registry is the client of the running system's registry.
func (p *program) registry() (registry.Client, error) {
	system, err := p.system()
	if err != nil {
		return registry.Client{}, err
	}
	address := system.URLs[endpoints.Registry]
	if address == "" {
		return registry.Client{}, &Failure{unreachable, errors.New("the running system has no schema registry"), "make demo"}
	}
	return registry.Client{URL: address}, nil
}

// schemaIn reads a schema, and gives it what the events share where it refers to that.
func (p *program) schemaIn(c *cobra.Command, file string) (registry.Client, registry.Schema, error) {
	client, err := p.registry()
	if err != nil {
		return client, registry.Schema{}, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return client, registry.Schema{}, &Failure{usage, fmt.Errorf("read the schema: %w", err), c.CommandPath() + " --help"}
	}
	if !json.Valid(text) {
		return client, registry.Schema{}, &Failure{usage, fmt.Errorf("%s is not JSON", file), c.CommandPath() + " --help"}
	}
	schema := registry.Schema{Type: registry.JSON, Text: string(text)}
	shared, err := client.Version(c.Context(), registry.Shared, "latest")
	if err != nil && !registry.IsCode(err, registry.NoSubject) {
		return client, schema, unregistered(err)
	}
	return client, schema.Sharing(shared.Version), nil
}

// unregistered is what the registry answered, or that it did not.
func unregistered(err error) error {
	var refused *registry.Error
	if errors.As(err, &refused) && refused.Code != registry.StorageUnavailable {
		return &Failure{failed, err, "sagactl schemas list"}
	}
	return &Failure{unreachable, err, "make demo   (or make up, or name another one with --file)"}
}
