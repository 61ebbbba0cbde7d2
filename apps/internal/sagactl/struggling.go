package sagactl

import (
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/pkg/mailbox"
)

// struggling shows what is not dead yet.
func (p *program) struggling() *cobra.Command {
	service, attempts := "", 0
	c := &cobra.Command{
		Use: "struggling", Short: "Lists events that fail again and again and are still tried, who waits longest first.", Args: cobra.NoArgs,
		RunE: runs(func(c *cobra.Command, _ []string) error {
			type struggling struct {
				Service string `json:"service"`
				mailbox.Struggling
			}
			found, rows := []struggling{}, [][]string{{"EVENT", "SERVICE", "TYPE", "ORDER", "ATTEMPTS#", "WAITS", "REASON"}}
			for _, name := range servicesBy(service) {
				var page struct {
					Struggling []mailbox.Struggling `json:"struggling"`
				}
				path := "/struggling?attempts=" + strconv.Itoa(attempts)
				if err := p.desk(c.Context(), endpoints.AdminRequest{Process: name, Method: http.MethodGet, Path: path}, &page, "sagactl dead-letters struggling --help"); err != nil {
					return err
				}
				for _, s := range page.Struggling {
					found = append(found, struggling{name, s})
					rows = append(rows, []string{s.EventID, name, s.Type, s.OrderID, strconv.Itoa(s.Attempts), time.Since(s.Since).Round(time.Second).String(), oneLine(s.Reason)})
				}
			}
			if p.output == "json" {
				return p.json(found)
			}
			table(p.out, p.width(), rows)
			return nil
		}),
	}
	serviceFlag(c, &service)
	c.Flags().IntVar(&attempts, "attempts", mailbox.Struggles, "only those that have failed this often")
	return c
}
