// Payment is the service that charges cards and gives money back.
package main

import (
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/services/payment"
)

func main() { service.Main(events.Payment, payment.Run) }
