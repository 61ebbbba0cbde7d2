// Notification is the service that writes to customers.
package main

import (
	"example.com/ordersaga/internal/service"
	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/services/notification"
)

func main() { service.Main(events.Notification, notification.Run) }
