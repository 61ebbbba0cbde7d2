// Command registry keeps the versions of the events' schemas; see package registry.
package main

import (
	"example.com/ordersaga/apps/internal/process"
	"example.com/ordersaga/apps/internal/registry"
)

func main() { process.Main("registry", registry.Run) }
