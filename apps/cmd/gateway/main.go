// Command gateway runs the simulated card gateway; see package gateway.
package main

import (
	"example.com/ordersaga/apps/internal/gateway"
	"example.com/ordersaga/apps/internal/process"
)

func main() { process.Main("gateway", gateway.Run) }
