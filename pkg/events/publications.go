package events

// Publications are the events that each service publishes. The second version of OrderCreated is one of them whether
// or not the order service is configured to publish it: its consumers may rely on what it would be.
var Publications = map[Service][]Type{
	Order: {
		OrderCreated{}.Type(), OrderCreatedV2{}.Type(), OrderCancelRequested{}.Type(), OrderConfirmed{}.Type(),
		OrderCancelled{}.Type(), OrderNeedsAttention{}.Type(), incident("IncidentOpened", Order), incident("IncidentResolved", Order),
	},
	Inventory: {
		InventoryReserved{}.Type(), InventoryRejected{}.Type(), InventoryReleased{}.Type(),
		incident("IncidentOpened", Inventory), incident("IncidentResolved", Inventory),
	},
	Payment: {
		PaymentProcessed{}.Type(), PaymentFailed{}.Type(), PaymentRefunded{}.Type(), PaymentVoided{}.Type(),
		incident("IncidentOpened", Payment), incident("IncidentResolved", Payment),
	},
	Shipping: {
		ShipmentCreated{}.Type(), ShipmentFailed{}.Type(), incident("IncidentOpened", Shipping), incident("IncidentResolved", Shipping),
	},
}
