// Command ambassador runs the proxy beside payment; see package ambassador.
package main

import (
	"example.com/ordersaga/apps/internal/ambassador"
	"example.com/ordersaga/internal/httpserver"
)

func main() { httpserver.Main("ambassador", ambassador.Run) }
