// Command gateway runs the simulated card gateway; see package gateway.
package main

import (
	"example.com/ordersaga/apps/internal/gateway"
	"example.com/ordersaga/internal/httpserver"
)

func main() { httpserver.Main("gateway", gateway.Run) }
