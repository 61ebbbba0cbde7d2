// Command order is the order service.
package main

import (
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/services/order"
)

func main() { service.Main(events.Order, order.Run) }
