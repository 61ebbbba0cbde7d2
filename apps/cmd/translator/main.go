// Command translator says newer events in older words; see package translator.
package main

import (
	"example.com/ordersaga/apps/internal/translator"
	"example.com/ordersaga/internal/httpserver"
)

func main() { httpserver.Main("translator", translator.Run) }
