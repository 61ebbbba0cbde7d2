// Command console runs mission control in the browser; see package console.
package main

import (
	"example.com/ordersaga/apps/internal/console"
	"example.com/ordersaga/internal/httpserver"
)

func main() { httpserver.Main("console", console.Run) }
