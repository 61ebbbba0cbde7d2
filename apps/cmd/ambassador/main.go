// Command ambassador runs the proxy beside payment; see package ambassador.
package main

import (
	"example.com/ordersaga/apps/internal/ambassador"
	"example.com/ordersaga/apps/internal/process"
)

func main() { process.Main("ambassador", ambassador.Run) }
