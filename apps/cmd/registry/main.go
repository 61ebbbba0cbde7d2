// Command registry keeps the versions of the events' schemas; see package registry.
package main

import (
	"example.com/ordersaga/apps/internal/registry"
	"example.com/ordersaga/internal/httpserver"
)

func main() { httpserver.Main("registry", registry.Run) }
