// Command provisioner keeps the broker's stream and consumers in place; see package provisioner.
package main

import (
	"example.com/ordersaga/apps/internal/provisioner"
	"example.com/ordersaga/internal/httpserver"
)

func main() { httpserver.Main("provisioner", provisioner.Run) }
