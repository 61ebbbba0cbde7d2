// Command front gives each service one fixed address, however many containers of it run; see package front.
package main

import (
	"example.com/ordersaga/apps/internal/front"
	"example.com/ordersaga/internal/httpserver"
)

func main() { httpserver.Main("front", front.Run) }
