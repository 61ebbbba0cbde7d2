// Command translator says newer events in older words; see package translator.
package main

import (
	"example.com/ordersaga/apps/internal/process"
	"example.com/ordersaga/apps/internal/translator"
)

func main() { process.Main("translator", translator.Run) }
