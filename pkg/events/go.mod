module example.com/ordersaga/pkg/events

go 1.26.0
