// Command provisioner keeps the broker's stream and consumers in place; see package provisioner.
package main

import (
	"example.com/ordersaga/apps/internal/process"
	"example.com/ordersaga/apps/internal/provisioner"
)

func main() { process.Main("provisioner", provisioner.Run) }
