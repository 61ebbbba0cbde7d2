package sagactl

import (
	"fmt"

	"github.com/spf13/cobra"

	"example.com/ordersaga/pkg/mailbox"
)

// natsConf prints the broker's configuration, which is made from the events' catalogue: who may publish
// and hear what stands once.
func natsConf() *cobra.Command {
	return &cobra.Command{
		Use: "nats-conf", Short: "Prints the broker's configuration for a deployment, without any secret.", Args: cobra.NoArgs,
		RunE: runs(func(c *cobra.Command, _ []string) error {
			fmt.Fprint(c.OutOrStdout(), mailbox.ServerConfig(mailbox.ServerOptions{Host: "0.0.0.0", StoreDir: "/data", MonitorPort: 8222}))
			return nil
		}),
	}
}
