// Shipping is the service that ships what is paid.
package main

import (
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/services/shipping"
)

func main() { service.Main(events.Shipping, shipping.Run) }
