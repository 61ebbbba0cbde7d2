// Inventory is the service that keeps the stock.
package main

import (
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/services/inventory"
)

func main() { service.Main(events.Inventory, inventory.Run) }
