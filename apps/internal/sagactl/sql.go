package sagactl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"example.com/ordersaga/internal/postgres"
)

func (p *program) sql() *cobra.Command {
	c := command("sql SERVICE QUERY", "Reads a service's database, with the login that can only read.",
		cobra.ExactArgs(2), func(ctx context.Context, args []string) error { return p.query(ctx, args[0], args[1]) })
	c.Example = "  sagactl sql order 'SELECT status, count(*) FROM orders GROUP BY status'"
	return c
}

func (p *program) query(ctx context.Context, service, text string) error {
	system, err := p.system()
	if err != nil {
		return err
	}
	if system.Databases[service] == "" {
		have := strings.Join(slices.Sorted(maps.Keys(system.Databases)), ", ")
		return &Failure{usage, fmt.Errorf("%q has no database; %s have", service, have), "sagactl sql --help"}
	}
	conn, err := postgres.Connect(ctx, system.Databases[service], postgres.Reading)
	if err != nil {
		detail := strings.Join(strings.Fields(err.Error()), " ") // it is of several lines
		return unanswered(fmt.Errorf("connect to the %s database: %s", service, detail))
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was written
	reader := conn.PgConn().ExecParams(ctx, text, nil, nil, nil, nil)
	answer := reader.Read()
	answer.FieldDescriptions = reader.FieldDescriptions() // an answer without rows has none of its own
	if refused, is := errors.AsType[*pgconn.PgError](answer.Err); is {
		err := fmt.Errorf("the %s database refuses it: %s (%s)", service, oneLine(refused.Message), refused.Code)
		return &Failure{failed, err, "sagactl sql " + shell(service) + ` "SELECT table_name FROM information_schema.tables"`}
	}
	if answer.Err != nil {
		return unanswered(fmt.Errorf("read the %s database: %w", service, answer.Err))
	}
	return p.showRows(answer)
}

// showRows prints a query's answer: texts as PostgreSQL writes them.
func (p *program) showRows(answer *pgconn.Result) error {
	columns := make([]string, len(answer.FieldDescriptions))
	for i, field := range answer.FieldDescriptions {
		columns[i] = field.Name
	}
	if len(columns) == 0 {
		return &Failure{failed, errors.New("this is no query: it returns no columns"), "sagactl sql --help"}
	}
	texts := make([][]*string, len(answer.Rows)) // nil: null
	rows := [][]string{columns}
	for i, row := range answer.Rows {
		texts[i] = make([]*string, len(row))
		cells := make([]string, len(row))
		for j, value := range row {
			cells[j] = "null"
			if value != nil {
				text := string(value)
				texts[i][j], cells[j] = &text, oneLine(text)
			}
		}
		rows = append(rows, cells)
	}
	shown := map[string]any{"columns": slices.Clone(columns), "rows": texts}
	return p.show(shown, func() { table(p.out, p.width(), rows) })
}
